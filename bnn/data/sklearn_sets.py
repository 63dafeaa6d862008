"""Small real sets that come with scikit-learn: nothing to download."""

import gin
import numpy as np
import sklearn.datasets
import sklearn.model_selection

from bnn.data import arguments
from bnn.data.assemble import classification_dataset, regression_dataset
from bnn.data.dataset import Dataset
from bnn.data.splits import random_split


@gin.register(module="bnn.data")
def digits(
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    seed: int = 0,
    flatten: bool = True,
) -> Dataset:
    """Returns scikit-learn's handwritten digits: 1,797 images `[N, 64]` in [0, 1], ten classes.

    Args:
      test_fraction: share of all images that becomes the test part, stratified by class.
      validation_fraction: share of the remaining images that becomes the validation part.
      seed: seed of both choices.
      flatten: False gives images as `[N, 8, 8, 1]`.

    Raises:
      ValueError: an argument out of range.
    """
    arguments.check_fraction("test_fraction", test_fraction, zero=False)
    arguments.check_seed(seed)
    raw = sklearn.datasets.load_digits()
    images = (raw.images[..., np.newaxis] / 16).astype(np.float32)
    least = len(raw.target_names) / len(images)
    if not least <= test_fraction <= 1 - least:
        raise ValueError(
            f"test_fraction must leave every class an image on both sides, in [{least:.4f}, "
            f"{1 - least:.4f}], got {test_fraction!r}; use for example 0.2."
        )
    numbers = np.arange(len(images))
    train, test = sklearn.model_selection.train_test_split(
        numbers, test_size=test_fraction, stratify=raw.target, random_state=seed
    )
    return classification_dataset(
        "digits",
        (images[train], raw.target[train]),
        (images[test], raw.target[test]),
        num_classes=10,
        validation_fraction=validation_fraction,
        seed=seed,
        flatten=flatten,
        rows=(train, test),
    )


@gin.register(module="bnn.data")
def diabetes(
    test_fraction: float = 0.2, validation_fraction: float = 0.0, seed: int = 0
) -> Dataset:
    """Returns scikit-learn's diabetes progression: 442 rows, features `[N, 10]`, targets `[N, 1]`.

    Features and targets are z-scored by the rows that are left to train on; the target's own
    unit is the score of disease progression after one year (25 to 346).

    Args:
      test_fraction: share of all rows that becomes the test part.
      validation_fraction: share of the remaining rows that becomes the validation part.
      seed: seed of both choices.

    Raises:
      ValueError: an argument out of range.
    """
    arguments.check_fraction("test_fraction", test_fraction, zero=False)
    raw = sklearn.datasets.load_diabetes(scaled=False)
    x, y = raw.data, raw.target[:, np.newaxis]
    train, test = random_split("test_fraction", len(x), test_fraction, seed=seed)
    return regression_dataset(
        "diabetes",
        (x[train], y[train]),
        (x[test], y[test]),
        validation_fraction=validation_fraction,
        seed=seed,
        rows=(train, test),
        target_names=("progression",),
        feature_names=tuple(raw.feature_names),
    )
