import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from bnn.data import tfds

_IMAGES = np.arange(12 * 4 * 4 * 3).reshape(12, 4, 4, 3).astype(np.uint8)
_LABELS = np.arange(12) % 3


def _info(**changes: Any) -> types.SimpleNamespace:
    label = types.SimpleNamespace(num_classes=3)
    fields = {"supervised_keys": ("image", "label"), "features": {"image": None, "label": label}}
    return types.SimpleNamespace(**{**fields, **changes})


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Puts a stand-in for tensorflow_datasets in place; gives the arguments of its load."""

    def put(
        inputs: Any = _IMAGES, labels: Any = _LABELS, info: Any = None, error: Any = None
    ) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def load(name: str, **arguments: Any) -> Any:
            seen.update(arguments, name=name)
            if error is not None:
                raise error
            split = inputs
            if not isinstance(inputs, tf.data.Dataset):
                split = tf.data.Dataset.from_tensor_slices((inputs, labels))
            return [split, split.take(5)], info or _info()

        module = types.ModuleType("tensorflow_datasets")
        module.load = load  # type: ignore[attr-defined]
        module.as_numpy = lambda split: split.as_numpy_iterator()  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
        return seen

    return put


def test_images_are_scaled(install):
    seen = install()
    dataset = tfds("toy", data_dir="/data", train_split="train[:50%]")
    assert dataset.name == "toy"
    assert dataset.num_classes == 3
    np.testing.assert_array_equal(dataset.x_train, _IMAGES.astype(np.float32) / 255)
    np.testing.assert_array_equal(dataset.y_test, _LABELS[:5])
    assert seen == {
        "name": "toy",
        "split": ["train[:50%]", "test"],
        "data_dir": "/data",
        "download": False,
        "as_supervised": True,
        "shuffle_files": False,
        "with_info": True,
        "try_gcs": False,
    }


def test_options(install):
    install()
    dataset = tfds("toy", validation_fraction=0.25, flatten=True, standardize=True)
    assert dataset.x_train.shape == (9, 48)
    assert dataset.num_valid == 3
    np.testing.assert_allclose(dataset.x_train.mean(), 0, atol=1e-5)


def test_other_numbers_are_left_as_they_are(install):
    install(inputs=_IMAGES[:, 0, 0].astype(np.float64))
    assert tfds("toy").x_train.max() == _IMAGES[:, 0, 0].max()


@pytest.mark.parametrize("module", [None, types.ModuleType("tensorflow_datasets")])
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, module: Any):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    message = r"bnn.data.tfds\('cifar10'\) needs TensorFlow Datasets.*pip install 'bnn\[tfds\]'"
    with pytest.raises(ImportError, match=message):
        tfds("cifar10")


@pytest.mark.parametrize("error", [AssertionError("could not find data\nmore"), AssertionError()])
def test_a_set_that_is_not_prepared(install, error: Exception):
    install(error=error)
    message = (
        r"toy: not prepared in /data \((could not find data|AssertionError)\); give download=True, "
        r"prepare it with 'tfds build toy', or correct data_dir"
    )
    with pytest.raises(FileNotFoundError, match=message):
        tfds("toy", data_dir="/data")
    with pytest.raises(FileNotFoundError, match="not prepared in the default folder"):
        tfds("toy")
    with pytest.raises(AssertionError):
        tfds("toy", download=True)


def test_sets_that_cannot_be_used(install):
    install(info=_info(supervised_keys=None))
    with pytest.raises(
        ValueError, match=r"must be a set with class labels .* supervised_keys=None"
    ):
        tfds("toy")
    install(info=_info(features={"image": None, "label": object()}))
    with pytest.raises(ValueError, match="must be a set with class labels"):
        tfds("toy")
    install(labels=_LABELS + 1)
    with pytest.raises(ValueError, match=r"toy: wrong label range: .* \[0, 3\), got 3 in row 2"):
        tfds("toy")
    install(inputs=np.full((12, 1), b"text"))
    with pytest.raises(ValueError, match="toy: inputs must be numbers, got string"):
        tfds("toy")
    install(inputs=_LABELS)
    with pytest.raises(ValueError, match="toy: inputs must be tensors of one shape, of rank 1"):
        tfds("toy")
    install(inputs=_IMAGES[:0], labels=_LABELS[:0])
    with pytest.raises(ValueError, match="both splits must hold examples, got an empty one"):
        tfds("toy")
    signature = (tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.int64))
    install(inputs=tf.data.Dataset.from_generator(lambda: iter(()), output_signature=signature))
    with pytest.raises(ValueError, match=r"toy: inputs must be tensors of one shape.*fixed size"):
        tfds("toy")
