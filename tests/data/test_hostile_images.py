"""Images as cameras and programs leave them: taken rightly, or refused by name."""

import numpy as np
import pytest

from bnn.data import image_folder
from bnn.data.image_files import read_image

Image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'bnn[images]'")

SHAPE = (6, 5, 3)
GREY = np.random.RandomState(0).randint(0, 256, (6, 5)).astype(np.uint8)
COLOURS = np.random.RandomState(1).randint(0, 256, SHAPE).astype(np.uint8)


def grey(pixels):
    return np.repeat(pixels[..., np.newaxis], 3, axis=-1)


def _with_opacity():
    return Image.fromarray(np.dstack([COLOURS, GREY]))


def _palette():
    picture = Image.fromarray(GREY // 64 * 64).quantize(4)
    picture.info["transparency"] = bytes([0, 255, 128, 255])
    return picture


# Mode: an image, its file's ending, and the bytes it has to give.
MODES = {
    "1": (lambda: Image.fromarray(GREY > 127), "png", grey(np.where(GREY > 127, 255, 0))),
    "L": (lambda: Image.fromarray(GREY), "png", grey(GREY)),
    "LA": (lambda: Image.fromarray(np.dstack([GREY, GREY])), "png", grey(GREY)),
    "RGB": (lambda: Image.fromarray(COLOURS), "tif", COLOURS),
    "RGBA": (_with_opacity, "png", COLOURS),
    "P with opacity": (_palette, "png", None),
    "16 bits": (lambda: Image.fromarray(GREY.astype(np.uint16) * 257), "png", grey(GREY)),
    "16 bits, TIFF": (lambda: Image.fromarray(GREY.astype(np.uint16) * 257), "tif", grey(GREY)),
}


@pytest.mark.parametrize("mode", MODES)
def test_modes(tmp_path, mode):
    make, ending, want = MODES[mode]
    make().save(tmp_path / f"one.{ending}")
    found = read_image(tmp_path / f"one.{ending}", SHAPE)
    assert found.shape == SHAPE
    assert found.dtype == np.uint8
    if want is not None:
        np.testing.assert_array_equal(found, want)


def test_colours_of_print(tmp_path):
    Image.fromarray(COLOURS).convert("CMYK").save(tmp_path / "print.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "print.tif", SHAPE), COLOURS)


@pytest.mark.parametrize("values", [GREY.astype(np.float32), GREY.astype(np.int32) * 9999])
def test_pixels_of_unknown_range_are_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "wide.tif")
    with pytest.raises(ValueError, match=r"wide.tif: must have 8 or 16 bits a pixel, got mode"):
        read_image(tmp_path / "wide.tif", SHAPE)


def test_cameras_that_were_turned(tmp_path):
    upright = Image.fromarray(COLOURS)
    turns = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for value, turn in turns.items():
            exif = Image.Exif()
            exif[0x0112] = value
            upright.transpose(turn).save(tmp_path / label / f"{value}.png", exif=exif)
        upright.save(tmp_path / label / "1.png")
    data = image_folder(tmp_path, test_fraction=0.5)  # all of one size, once they are upright
    assert data.input_shape == SHAPE
    for part in ("train", "test"):
        want = np.broadcast_to(COLOURS.astype(np.float32) / 255, (3, *SHAPE))
        np.testing.assert_array_equal(data.part(part)[0], want)


def _folder(tmp_path, *places):
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(COLOURS).save(tmp_path / place / f"{number}.png")
    return tmp_path


def test_files_of_other_programs_are_left_aside(tmp_path):
    folder = _folder(tmp_path, "a", "b", ".ipynb_checkpoints")
    (folder / "a" / "._0.png").write_bytes(b"resource fork")
    data = image_folder(folder)
    assert data.class_names == ("a", "b")
    assert data.num_train + data.num_test == 6


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (
            ["train/a", "train/b", "val/a"],
            "must hold train and test, .* got 'train', 'val'; rename",
        ),
        (["train/a", "train/b", "test/a", "val/a"], "got 'test', 'train', 'val'; rename or comp"),
        (["train/a", "train/b"], "must hold train and test, and valid .* got 'train'"),
    ],
)
def test_parts_of_other_names_are_no_classes(tmp_path, places, message):
    with pytest.raises(ValueError, match=message):
        image_folder(_folder(tmp_path, *places))


def test_a_class_without_images_is_named(tmp_path):
    folder = _folder(tmp_path, "a", "b")
    (folder / "c").mkdir()
    with pytest.raises(ValueError, match=r"must hold images, of its class, got none in 'c'; fill"):
        image_folder(folder)


def test_an_image_that_would_fill_the_memory_is_named(tmp_path, monkeypatch):
    folder = _folder(tmp_path, "a", "b")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # 30 are more than twice as many
    with pytest.raises(
        ValueError, match=r"a/0.png: must be an image that can be decoded, got .*lim"
    ):
        image_folder(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0", b"II*\x00\xff\xff\xff\xff", b"BM"],
)
def test_headers_without_images_are_named(tmp_path, content):
    folder = _folder(tmp_path, "a", "b")
    (folder / "a" / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a/bad.png: must be an image that can be decoded"):
        image_folder(folder, size=(6, 5))


def test_raw_images_of_another_form_are_refused(tmp_path):
    data = image_folder(_folder(tmp_path, "a", "b"))
    raw = np.stack([COLOURS] * 2)
    want = data.prepare_inputs(raw)
    np.testing.assert_array_equal(data.prepare_inputs(raw.astype(np.float32) / 255), want)
    np.testing.assert_array_equal(data.prepare_inputs(raw.reshape(2, -1)), want)
    with pytest.raises(
        ValueError, match=r"must be unsigned bytes, or numbers in \[0, 1\], got int"
    ):
        data.prepare_inputs(raw.astype(np.int64))
    with pytest.raises(ValueError, match=r"got float64 up to 2.*; convert bytes with raw.astype"):
        data.prepare_inputs(raw.astype(np.float64))
    with pytest.raises(ValueError, match=r"of shape \(6, 5, 3\), or flat, got \(3, 6, 5\); bring"):
        data.prepare_inputs(raw.transpose(0, 3, 1, 2))
