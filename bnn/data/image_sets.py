"""MNIST and its likes: 28 x 28 grey images of ten classes in IDX files."""

import os
from pathlib import Path
from typing import Literal

import gin
import numpy as np

from bnn.data import checks, memory
from bnn.data.assemble import Part, classification_dataset
from bnn.data.dataset import Dataset
from bnn.data.idx import read_idx
from bnn.data.paths import data_directory

_SOURCES = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "kmnist": "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
}
_PREFIXES = {"train": "train", "test": "t10k"}
_NUM_CLASSES = 10
_SIDE = 28
_WHITE = 255


def load_images(
    name: str, split: Literal["train", "test"], data_dir: str | os.PathLike[str] | None = None
) -> Part:
    """Returns one split of an image set: float32 `[N, 28, 28, 1]` in [0, 1] and int32 `[N]`.

    Reads `<data_dir>/<name>/{train,t10k}-images-idx3-ubyte.gz` and `-labels-idx1-ubyte.gz`, or
    the same names without `.gz` where those are missing.

    Args:
      name: "mnist", "fashion_mnist", "kmnist", or any folder with files of these names.
      split: "train" or "test".
      data_dir: the folder of data sets; default: the environment's BNN_DATA_DIR.

    Raises:
      ValueError: no data_dir, another split, a corrupt file, labels outside [0, 10), or images
        and labels of different number.
      FileNotFoundError: a missing folder or file.
    """
    images, labels = _load_bytes(name, split, data_dir)
    return memory.filled(images, divisor=_WHITE), labels


@gin.register(module="bnn.data")
def mnist(
    data_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float = 0.0,
    seed: int = 0,
    flatten: bool = False,
    standardize: bool = False,
    test_only: bool = False,
) -> Dataset:
    """Returns MNIST, handwritten digits: 60,000 + 10,000 images `[N, 28, 28, 1]` in [0, 1].

    Args:
      data_dir: the folder of data sets; default: the environment's BNN_DATA_DIR.
      validation_fraction: share of the training images that becomes the validation part.
      seed: seed of that choice.
      flatten: give images as `[N, 784]`.
      standardize: subtract the mean of all training pixels and divide by their standard
        deviation, one number each.
      test_only: give an empty training part and do not look for its files: for sets that serve
        out-of-distribution tests only.

    Raises:
      ValueError: an argument out of range, or a corrupt file.
      FileNotFoundError: a missing folder or file.
    """
    return _image_set("mnist", data_dir, validation_fraction, seed, flatten, standardize, test_only)


@gin.register(module="bnn.data")
def fashion_mnist(
    data_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float = 0.0,
    seed: int = 0,
    flatten: bool = False,
    standardize: bool = False,
    test_only: bool = False,
) -> Dataset:
    """Returns Fashion-MNIST, pictures of clothes; shapes, arguments and errors as for `mnist`."""
    return _image_set(
        "fashion_mnist", data_dir, validation_fraction, seed, flatten, standardize, test_only
    )


@gin.register(module="bnn.data")
def kmnist(
    data_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float = 0.0,
    seed: int = 0,
    flatten: bool = False,
    standardize: bool = False,
    test_only: bool = False,
) -> Dataset:
    """Returns Kuzushiji-MNIST, cursive Japanese; shapes, arguments and errors as for `mnist`.

    For out-of-distribution tests give `test_only=True` and pass the images through
    `prepare_inputs` of the set that the model was trained on.
    """
    return _image_set(
        "kmnist", data_dir, validation_fraction, seed, flatten, standardize, test_only
    )


def _image_set(
    name: str,
    data_dir: str | os.PathLike[str] | None,
    validation_fraction: float,
    seed: int,
    flatten: bool,
    standardize: bool,
    test_only: bool,
) -> Dataset:
    if test_only and validation_fraction:
        raise ValueError(
            f"validation_fraction must be 0 with test_only, got {validation_fraction!r}; "
            f"there is no training part to take it from."
        )
    test = _load_bytes(name, "test", data_dir)
    train = tuple(part[:0] for part in test) if test_only else _load_bytes(name, "train", data_dir)
    return classification_dataset(
        name,
        (train[0], train[1]),
        test,
        num_classes=_NUM_CLASSES,
        validation_fraction=validation_fraction,
        seed=seed,
        flatten=flatten,
        standardize=standardize,
        divisor=_WHITE,
    )


def _load_bytes(name: str, split: str, data_dir: str | os.PathLike[str] | None) -> Part:
    """As `load_images`, the images still unsigned bytes."""
    if split not in _PREFIXES:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}.")
    folder = data_directory(data_dir, f"the set {name}") / name
    images, images_path, images_remedy = _read(
        folder, name, f"{_PREFIXES[split]}-images-idx3-ubyte"
    )
    labels, labels_path, labels_remedy = _read(
        folder, name, f"{_PREFIXES[split]}-labels-idx1-ubyte"
    )
    if images.dtype != np.uint8 or images.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(
            f"{images_path}: expected uint8 images of shape [N, {_SIDE}, {_SIDE}], got "
            f"{images.dtype} of shape {images.shape}; {images_remedy}."
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{labels_path}: expected uint8 labels of shape [N], got {labels.dtype} of shape "
            f"{labels.shape}; {labels_remedy}."
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{images_path} holds {len(images)} images but {labels_path.name} holds {len(labels)} "
            f"labels, expected as many of each; {images_remedy}, and the labels with them."
        )
    checks.check_label_range(
        name, f"y_{split}", labels, _NUM_CLASSES, f"the file is {labels_path}; {labels_remedy}"
    )
    return images[..., np.newaxis], labels.astype(np.int32)


def _read(folder: Path, name: str, file_name: str) -> tuple[np.ndarray, Path, str]:
    zipped, plain = folder / f"{file_name}.gz", folder / file_name
    path = plain if plain.is_file() and not zipped.is_file() else zipped
    source = _SOURCES.get(name, "the set's publisher")
    remedy = f"get {file_name}.gz from {source} and put it into {folder}"
    if not path.is_file() and file_name.startswith("train"):
        remedy += ", or use test_only=True where the test split is enough"
    return read_idx(path, remedy=remedy), path, remedy
