"""Classification sets of TensorFlow Datasets, by name; needs the extra `bnn[tfds]`."""

from collections.abc import Callable, Iterable
from typing import Any

import gin
import numpy as np

from bnn.data.assemble import Part, classification_dataset
from bnn.data.dataset import Dataset


@gin.register(module="bnn.data")
def tfds(
    name: str,
    data_dir: str | None = None,
    validation_fraction: float = 0.0,
    seed: int = 0,
    train_split: str = "train",
    test_split: str = "test",
    flatten: bool = False,
    standardize: bool = False,
    download: bool = False,
) -> Dataset:
    """Returns a classification set of TensorFlow Datasets: float32 `[N, ...]`, labels `[N]`.

    Inputs of type uint8 are taken for pixels and scaled to [0, 1]. The whole set is held in
    memory.

    Args:
      name: the set's name in TensorFlow Datasets, such as "cifar10".
      data_dir: where TensorFlow Datasets keeps prepared sets; default: its own default
        (TFDS_DATA_DIR, else ~/tensorflow_datasets).
      validation_fraction: share of the training examples that becomes the validation part.
      seed: seed of that choice.
      train_split: split to train on, such as "train" or "train[:10%]".
      test_split: split to test on.
      flatten: give inputs as `[N, values]`.
      standardize: subtract the mean of all training inputs and divide by their standard
        deviation, one number each.
      download: download and prepare the set if it is not there.

    Raises:
      ImportError: TensorFlow Datasets is not installed.
      FileNotFoundError: the set is not prepared and `download` is False.
      ValueError: an argument out of range, or a set without class labels or with inputs of
        different shapes.
    """
    splits, info, as_numpy = _loaded(name, [train_split, test_split], data_dir, download)
    num_classes = _num_classes(name, info)
    train, test = (_arrays(name, split, as_numpy) for split in splits)
    return classification_dataset(
        name,
        train,
        test,
        num_classes=num_classes,
        validation_fraction=validation_fraction,
        seed=seed,
        flatten=flatten,
        standardize=standardize,
        divisor=255 if train[0].dtype == test[0].dtype == np.uint8 else None,
    )


def _loaded(
    name: str, wanted: list[str], data_dir: str | None, download: bool
) -> tuple[list[Any], Any, Callable[[Any], Iterable[Any]]]:
    """The splits, what is known of the set, and what makes NumPy arrays of its examples."""
    try:
        import tensorflow_datasets

        # With a dependency missing, some versions import without error but hold nothing.
        load, as_numpy = tensorflow_datasets.load, tensorflow_datasets.as_numpy
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"bnn.data.tfds('{name}') needs TensorFlow Datasets, which cannot be imported "
            f"({error}); install it with: pip install 'bnn[tfds]'"
        ) from error
    try:
        splits, info = load(
            name,
            split=wanted,
            data_dir=data_dir,
            download=download,
            as_supervised=True,
            shuffle_files=False,
            with_info=True,
            try_gcs=False,
        )
    except (AssertionError, FileNotFoundError) as error:
        if download:
            raise
        raise FileNotFoundError(
            f"{name}: not prepared in {data_dir or 'the default folder of TensorFlow Datasets'} "
            f"({_first_line(error)}); give download=True, prepare it with "
            f"'tfds build {name}', or correct data_dir."
        ) from error
    return splits, info, as_numpy


def _num_classes(name: str, info: Any) -> int:
    label = info.features[info.supervised_keys[1]] if info.supervised_keys else None
    num_classes = getattr(label, "num_classes", None)
    if num_classes is None:
        raise ValueError(
            f"{name}: name must be a set with class labels (supervised_keys whose second feature "
            f"has num_classes), got supervised_keys={info.supervised_keys}; choose another set."
        )
    return int(num_classes)


def _arrays(name: str, split: Any, as_numpy: Callable[[Any], Iterable[Any]]) -> Part:
    spec = split.element_spec[0]
    if not getattr(getattr(spec, "shape", None), "rank", None) or not spec.shape.is_fully_defined():
        raise ValueError(
            f"{name}: inputs must be tensors of one shape, of rank 1 or more, got {spec}; choose a "
            f"set, or a config of it, with inputs of a fixed size."
        )
    if not (spec.dtype.is_integer or spec.dtype.is_floating):
        raise ValueError(
            f"{name}: inputs must be numbers, got {spec.dtype.name}; choose another set."
        )
    batches = list(as_numpy(split.batch(1024)))
    if not batches:
        raise ValueError(f"{name}: both splits must hold examples, got an empty one; correct them.")
    x = np.concatenate([batch[0] for batch in batches])
    y = np.concatenate([batch[1] for batch in batches])
    # Bytes stay bytes until they are in their place, a quarter of the memory.
    return (x if x.dtype == np.uint8 else x.astype(np.float32, copy=False)), y


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
