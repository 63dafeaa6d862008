import json
from pathlib import Path

import numpy as np
import pytest

from bnn.data import ExampleError, Scaling, image_folder, image_streams, training_batches

Image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'bnn[images]'")


def _write(folder: Path, count: int, size=(6, 5), seed=0) -> np.ndarray:
    """Writes images `[count, height, width, 3]` as PNG, which loses nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.RandomState(seed).randint(0, 256, (count, *size, 3)).astype(np.uint8)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write(tmp_path / "pets" / "dog", 8, seed=1)
    _write(tmp_path / "pets" / "cat", 12, seed=2)
    (tmp_path / "pets" / "cat" / "notes.md").write_text("no image")
    return tmp_path / "pets"


def _all() -> np.ndarray:
    random = [np.random.RandomState(seed) for seed in (2, 1)]
    return np.concatenate(
        [r.randint(0, 256, (n, 6, 5, 3)) for r, n in zip(random, (12, 8), strict=True)]
    )


def test_a_folder_a_class(folder):
    data = image_folder(folder, validation_fraction=0.25)
    assert (data.name, data.class_names, data.num_classes) == ("pets", ("cat", "dog"), 2)
    assert (data.num_train, data.num_valid, data.num_test) == (12, 4, 4)
    for part in ("train", "valid", "test"):
        x, y = data.part(part)
        rows = data.rows(part)
        np.testing.assert_array_equal(x, _all()[rows].astype(np.float32) / 255)
        np.testing.assert_array_equal(y, rows >= 12)


def test_parts_of_their_own_resized_and_grey(tmp_path):
    for seed, place in enumerate(("train/a", "train/b", "test/a", "valid/b")):
        _write(tmp_path / place, 3, seed=seed)
    data = image_folder(tmp_path, size=(4, 4), channels=1, standardize=True)
    assert (data.num_train, data.num_valid, data.num_test) == (6, 3, 3)
    assert data.input_shape == (4, 4, 1)
    np.testing.assert_allclose(data.x_train.mean(), 0, atol=1e-6)
    assert data.y_valid.tolist() == [1, 1, 1]
    scaling = Scaling.from_json(json.loads(json.dumps(data.scaling.to_json())))
    files = sorted((tmp_path / "test" / "a").glob("*.png"))
    np.testing.assert_allclose(scaling.prepare_inputs(files), data.x_test, atol=1e-6)
    images = np.stack([np.asarray(Image.open(f).convert("L").resize((4, 4))) for f in files])
    np.testing.assert_allclose(scaling.prepare_inputs(images), data.x_test, atol=1e-6)


def test_streamed_images_are_the_same(folder):
    resident, streamed = image_folder(folder), image_folder(folder, stream=True)
    assert (streamed.num_train, len(streamed.x_train)) == (16, 0)
    for step in (0, 3):
        one, other = (training_batches(data, 5, 1).at(step) for data in (resident, streamed))
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.targets, other.targets)
    np.testing.assert_array_equal(streamed.x_test, resident.x_test)


def test_streamed_images_are_standardised_by_one_pass_over_the_training_files(folder, monkeypatch):
    resident = image_folder(folder, standardize=True)
    read = []
    whole = image_streams.read_image
    monkeypatch.setattr(
        image_streams, "read_image", lambda path, shape: read.append(path) or whole(path, shape)
    )
    streamed = image_folder(folder, standardize=True, stream=True, stream_test=True)
    fitted = list(read)
    assert len(fitted) == len(set(fitted)) == streamed.num_train == 16
    np.testing.assert_allclose(streamed.input_loc, resident.input_loc, rtol=1e-12)
    np.testing.assert_allclose(streamed.input_scale, resident.input_scale, rtol=1e-12)
    for part in ("train", "test"):
        rows = np.arange(len(resident.part(part)[1]))
        found = getattr(streamed, f"{part}_source").take(rows)
        np.testing.assert_array_equal(found.inputs, resident.part(part)[0])
        np.testing.assert_array_equal(found.targets, resident.part(part)[1])
    one, other = (training_batches(data, 5, 1).at(2) for data in (resident, streamed))
    np.testing.assert_array_equal(one.inputs, other.inputs)
    # The test part has no say, and the run's record is all that new images need.
    stored = Scaling.from_json(json.loads(json.dumps(streamed.scaling.to_json())))
    held_out = [path for path in folder.rglob("*.png") if path not in fitted]
    before = stored.prepare_inputs(held_out[:1])
    for path in held_out:
        Image.new("RGB", (5, 6), "white").save(path)
    again = image_folder(folder, standardize=True, stream=True, stream_test=True)
    assert (again.input_loc, again.input_scale) == (streamed.input_loc, streamed.input_scale)
    white = (1 - streamed.input_loc) / streamed.input_scale
    np.testing.assert_allclose(stored.prepare_inputs(held_out[:1]), white, rtol=1e-6)
    assert not np.allclose(before, white)


def test_images_of_one_colour_are_shifted_and_keep_their_scale(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(4):
            Image.new("RGB", (3, 3), (51, 51, 51)).save(tmp_path / label / f"{number}.png")
    data = image_folder(tmp_path, standardize=True, stream=True)
    assert (data.input_loc, data.input_scale) == (np.float32(0.2), 1.0)
    np.testing.assert_array_equal(data.train_source.take(np.arange(3)).inputs, 0)


def test_a_file_that_cannot_be_decoded_is_named(folder):
    streamed = image_folder(folder, stream=True)
    bad = folder / "cat" / "003.png"
    content = bad.read_bytes()
    bad.write_bytes(content[:80])
    message = r"cat/003.png: must be an image that can be decoded, got .*; replace or delete the fi"
    with pytest.raises(ValueError, match=message):
        image_folder(folder)
    with pytest.raises(ExampleError, match=rf"pets: row \d+: .*{message}"):
        list(training_batches(streamed, 16, 0).full())
    with pytest.raises(ExampleError, match=rf"pets: row \d+: .*{message}"):
        image_folder(folder, stream=True, standardize=True)
    bad.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=message):
        image_folder(folder)


def test_images_of_different_size_are_named(folder):
    _write(folder / "emu", 1, size=(7, 5))
    message = r"one size, 6 x 5 as .*cat/000.png, got 7 x 5 in .*emu/000.png; give size=\(height"
    with pytest.raises(ValueError, match=message):
        image_folder(folder)
    assert image_folder(folder, size=(6, 5)).num_classes == 3


def test_bad_folders_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path must name a folder of images, got '.*none'"):
        image_folder(tmp_path / "none")
    _write(folder, 2)
    message = r"every image must lie in the folder of its class, got .*/pets/000.png \(2 such files"
    with pytest.raises(ValueError, match=message):
        image_folder(folder)
    _write(tmp_path / "one" / "cat", 2)
    with pytest.raises(
        ValueError, match="a folder of images a class, at least two, got 'cat'; put"
    ):
        image_folder(tmp_path / "one")
    for place in ("train/a", "train/b", "test/c"):
        _write(tmp_path / "parts" / place, 2)
    with pytest.raises(
        ValueError, match=r"classes of all parts must be in .*train, got 'c' elsewh"
    ):
        image_folder(tmp_path / "parts")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 2}, "channels must be 1 .* or 4 .*, got 2"),
        ({"size": 32}, r"size must be \(height, width\) in pixels, got 32"),
        ({"size": (32, 0)}, r"size must be \(height, width\) in pixels, got \(32, 0\)"),
        ({"test_fraction": 1.5}, "test_fraction must be a share"),
    ],
)
def test_bad_arguments_are_named(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        image_folder(folder, **arguments)
