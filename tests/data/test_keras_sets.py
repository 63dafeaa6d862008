from pathlib import Path

import keras
import numpy as np
import pytest

from bnn.data import keras_set


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a Keras that must not ask the network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    for name in ("mnist", "cifar10", "imdb", "california_housing", "fashion_mnist"):
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", _no_network)
    return tmp_path / "datasets"


def _no_network(**options):
    raise AssertionError("the network was asked")


def _serve(monkeypatch, name: str, train, test, seen=None) -> None:
    def load_data(**options):
        if seen is not None:
            seen.update(options)
        return train, test

    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", load_data)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "mnist.npz"),
        ("cifar10", "cifar-10-batches-py"),
        ("imdb", "imdb.npz"),
        ("fashion_mnist", "fashion-mnist/train-images-idx3-ubyte.gz"),
    ],
)
def test_a_set_that_is_not_cached_is_said_at_once(cache, name, file):
    message = (
        rf"{name}: not in Keras's cache, .*/datasets/{file} does not exist; call "
        rf"keras.datasets.{name}.load_data\(\) once where there is a network"
    )
    with pytest.raises(FileNotFoundError, match=message):
        keras_set(name)


def test_images_are_scaled(cache, monkeypatch):
    (cache / "cifar-10-batches-py").mkdir()
    images = np.random.RandomState(0).randint(0, 256, (20, 32, 32, 3)).astype(np.uint8)
    labels = (np.arange(20) % 10)[:, np.newaxis].astype(np.uint8)
    _serve(monkeypatch, "cifar10", (images, labels), (images[:5], labels[:5]))
    data = keras_set("cifar10", validation_fraction=0.25)
    assert (data.num_classes, data.num_train, data.num_valid) == (10, 15, 5)
    np.testing.assert_array_equal(data.x_test, images[:5].astype(np.float32) / 255)
    assert keras_set("cifar10", flatten=True).input_shape == (3072,)


def test_keras_reads_its_own_file(cache, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_HOME", str(cache.parent))
    images = np.random.RandomState(0).randint(0, 256, (30, 28, 28)).astype(np.uint8)
    labels = (np.arange(30) % 10).astype(np.uint8)
    file = cache / "mnist.npz"
    np.savez(file, x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    monkeypatch.setattr(keras.datasets.mnist, "get_file", lambda *a, **k: str(file), raising=False)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: _mnist(file))
    assert keras_set("mnist", standardize=True).input_shape == (28, 28, 1)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: _mnist(cache / "gone"))
    with pytest.raises(ValueError, match=r"mnist: Keras cannot read its cached file in .*; delete"):
        keras_set("mnist")


def _mnist(file: Path):
    with np.load(file) as held:
        return (held["x_train"], held["y_train"]), (held["x_test"], held["y_test"])


def test_texts_are_padded(cache, monkeypatch):
    (cache / "imdb.npz").touch()
    texts = np.array([[1, 5, 7], [1, 2], [1, 9, 9, 9, 9]] * 4 + [[1, 3]], object)
    seen: dict = {}
    labels = np.arange(13) % 2
    _serve(monkeypatch, "imdb", (texts, labels), (texts[:3], labels[:3]), seen)
    data = keras_set("imdb", max_tokens=10, length=4, validation_fraction=0.2)
    assert seen["num_words"] == 10
    assert data.x_test.tolist() == [[0, 1, 5, 7], [0, 0, 1, 2], [9, 9, 9, 9]]
    assert (data.x_train.dtype, data.num_classes) == (np.int32, 2)
    assert data.rows("test").tolist() == [13, 14, 15]


def test_features_are_standardised(cache, monkeypatch):
    (cache / "california_housing.npz").touch()
    random = np.random.RandomState(0)
    x, y = random.normal(3, 2, (30, 8)), random.normal(9, 2, 30)
    _serve(monkeypatch, "california_housing", (x, y), (x[:4], y[:4]))
    data = keras_set("california_housing")
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(data.to_own_units(data.y_test)[:, 0], y[:4], rtol=1e-5)


def test_an_unknown_name(cache):
    with pytest.raises(ValueError, match=r"name must be one of mnist, .*, got 'cifar'"):
        keras_set("cifar")
