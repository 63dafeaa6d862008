from pathlib import Path

import gin
import numpy as np
import pytest

import bnn.data
from bnn.data import fashion_mnist, kmnist, load_images, mnist


def test_shapes_types_and_range(image_root: Path):
    dataset = mnist(image_root)
    assert dataset.name == "mnist"
    assert dataset.x_train.shape == (30, 28, 28, 1)
    assert dataset.x_test.shape == (20, 28, 28, 1)
    assert dataset.num_classes == 10
    assert dataset.x_train.dtype == np.float32
    assert 0 <= dataset.x_train.min() < 0.01
    assert 0.99 < dataset.x_train.max() <= 1
    np.testing.assert_array_equal(dataset.y_train, np.arange(30) % 10)


def test_options(image_root: Path):
    flat = mnist(image_root, flatten=True, validation_fraction=0.2, seed=1)
    assert flat.x_train.shape == (24, 784)
    assert flat.x_valid.shape == (6, 784)
    standardised = mnist(image_root, standardize=True)
    np.testing.assert_allclose(standardised.x_train.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(standardised.x_train.std(), 1, atol=1e-5)


def test_the_folder_comes_from_the_environment(image_root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BNN_DATA_DIR", str(image_root))
    assert mnist().num_train == 30


def test_uncompressed_files_are_read(tmp_path: Path, write_images):
    images = np.full((3, 28, 28), 51)
    write_images(tmp_path / "mnist", "train", images, np.arange(3), zipped=False)
    x, y = load_images("mnist", "train", tmp_path)
    np.testing.assert_allclose(x, 0.2)
    assert x.shape == (3, 28, 28, 1)
    assert y.tolist() == [0, 1, 2]


def test_a_set_without_training_files(image_root: Path):
    ood = kmnist(image_root, test_only=True)
    assert (ood.num_train, ood.num_valid, ood.num_test) == (0, 0, 5)
    assert ood.input_shape == (28, 28, 1)
    train = mnist(image_root, flatten=True, standardize=True)
    assert train.prepare_inputs(ood.x_test).shape == (5, 784)
    missing = (
        r"kmnist/train-images-idx3-ubyte.gz: no such file; get train-images-idx3-ubyte.gz from "
        r"http://codh.rois.ac.jp/\S+ and put it into .*, or use test_only=True"
    )
    with pytest.raises(FileNotFoundError, match=missing):
        kmnist(image_root)
    with pytest.raises(ValueError, match=r"validation_fraction must be 0 with test_only, got 0.1"):
        kmnist(image_root, test_only=True, validation_fraction=0.1)
    with pytest.raises(ValueError, match="standardize needs a training part"):
        kmnist(image_root, test_only=True, standardize=True)


@pytest.mark.usefixtures("no_data_dir")
def test_no_folder_is_given():
    message = "data_dir must name the folder that holds the set mnist, got none; .* BNN_DATA_DIR"
    with pytest.raises(ValueError, match=message):
        mnist()


def test_missing_folders_and_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(
        FileNotFoundError, match=r"data_dir must name an existing .*/nowhere'; creat"
    ):
        mnist(tmp_path / "nowhere")
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "absent"))
    monkeypatch.delenv("BNN_DATA_DIR_FROM", raising=False)
    with pytest.raises(FileNotFoundError, match="the environment variable BNN_DATA_DIR must name"):
        mnist()
    monkeypatch.setenv("BNN_DATA_DIR_FROM", "--data_dir")  # what the command line says
    with pytest.raises(FileNotFoundError, match=r"^--data_dir must name an existing .*/absent'"):
        mnist()
    message = (
        "fashion_mnist/t10k-images-idx3-ubyte.gz: no such file; get t10k-images-idx3-ubyte.gz "
        "from http://fashion-mnist"
    )
    with pytest.raises(FileNotFoundError, match=message):
        fashion_mnist(tmp_path)


def test_bad_content_is_named(image_root: Path, write_images):
    folder = image_root / "mnist"
    images = np.zeros((20, 28, 28))

    write_images(folder, "t10k", images, np.arange(19) % 10)
    message = (
        r"t10k-images-idx3-ubyte.gz holds 20 images but t10k-labels-idx1-ubyte.gz holds 19 labels, "
        r"expected as many of each; get t10k-images-idx3-ubyte.gz from https://"
    )
    with pytest.raises(ValueError, match=message):
        mnist(image_root)

    write_images(folder, "t10k", images, np.arange(20))
    message = (
        r"mnist: wrong label range: the labels in y_test must lie in \[0, 10\), got 10 in row 10 "
        r"\(10 such rows\); the file is .*t10k-labels-idx1-ubyte.gz; get t10k-labels"
    )
    with pytest.raises(ValueError, match=message):
        mnist(image_root)

    write_images(folder, "t10k", np.zeros((20, 27, 28)), np.zeros(20))
    message = (
        r"expected uint8 images of shape \[N, 28, 28\], got uint8 of shape \(20, 27, 28\); get"
    )
    with pytest.raises(ValueError, match=message):
        mnist(image_root)

    write_images(folder, "t10k", images, np.zeros((20, 1)))
    with pytest.raises(
        ValueError, match=r"expected uint8 labels of shape \[N\], got uint8 of shape"
    ):
        mnist(image_root)

    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:500])
    write_images(folder, "t10k", images, np.zeros(20))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz: the gzip stream is trunca"):
        mnist(image_root)


def test_an_unknown_split_is_refused(image_root: Path):
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'valid'"):
        load_images("mnist", "valid", image_root)  # type: ignore[arg-type]


@pytest.mark.usefixtures("clean_gin")
def test_gin_builds_a_set_under_either_name(image_root: Path):
    @gin.configurable("image_sets_root", module="test")
    def root(dataset: bnn.data.Dataset = gin.REQUIRED) -> bnn.data.Dataset:
        return dataset

    for selector in ("mnist", "bnn.data.mnist"):
        gin.clear_config()
        gin.parse_config(
            f"image_sets_root.dataset = @{selector}()\n"
            f"mnist.data_dir = '{image_root}'\nmnist.flatten = True"
        )
        assert root().input_shape == (784,)


@pytest.mark.parametrize(
    ("name", "mean", "std"), [("mnist", 0.13066, 0.30811), ("fashion_mnist", 0.28604, 0.35302)]
)
def test_real_sets(real_data, name: str, mean: float, std: float):
    dataset = getattr(bnn.data, name)(real_data(name))
    assert dataset.x_train.shape == (60_000, 28, 28, 1)
    assert dataset.x_test.shape == (10_000, 28, 28, 1)
    assert abs(dataset.x_train.mean(dtype=np.float64) - mean) < 5e-6
    assert abs(dataset.x_train.std() - std) < 2e-5
    assert (np.bincount(dataset.y_test, minlength=10) > 800).all()
    if name == "mnist":
        expected = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert np.bincount(dataset.y_train).tolist() == expected
        assert dataset.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    else:
        assert np.bincount(dataset.y_train).tolist() == [6000] * 10


def test_real_kmnist(real_data):
    dataset = kmnist(real_data("kmnist"), test_only=True)
    assert dataset.x_test.shape == (10_000, 28, 28, 1)
    assert np.bincount(dataset.y_test).tolist() == [1000] * 10
