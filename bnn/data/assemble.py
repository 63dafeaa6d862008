"""From raw arrays to a Dataset: the validation part first, then scales from what is left."""

import math

import numpy as np

from bnn.data import checks, scales
from bnn.data.dataset import Dataset
from bnn.data.splits import split_validation

Part = tuple[np.ndarray, np.ndarray]


def classification_dataset(
    name: str,
    train: Part,
    test: Part,
    *,
    num_classes: int,
    validation_fraction: float = 0.0,
    seed: int = 0,
    flatten: bool = False,
    standardize: bool = False,
) -> Dataset:
    """Returns the Dataset of inputs `[N, ...]` and labels `[N]`.

    Args:
      name: the set's name.
      train: training inputs and labels; inputs with N = 0 where there is no training part.
      test: test inputs and labels.
      num_classes: labels lie in [0, num_classes).
      validation_fraction: share of the training rows that becomes the validation part.
      seed: seed of that choice.
      flatten: give inputs as `[N, values]`.
      standardize: subtract the mean of all training inputs and divide by their standard
        deviation, one number each, taken without the validation part.

    Raises:
      ValueError: an argument or array outside these bounds.
    """
    x, y = _checked(name, "train", train)
    x_test, y_test = _checked(name, "test", test)
    y, y_test = _labels(name, "train", y, num_classes), _labels(name, "test", y_test, num_classes)
    (x_train, y_train), (x_valid, y_valid) = _hold_out(x, y, validation_fraction, seed)
    if flatten:
        x_train, x_valid, x_test = map(_flat, (x_train, x_valid, x_test))
    loc = scale = None
    if standardize:
        if not len(x_train):
            raise ValueError(
                f"{name}: standardize needs a training part to take the mean from, got none; "
                f"leave it off and use prepare_inputs of the set the model was trained on."
            )
        loc, scale = scales.all_values(x_train)
    return Dataset(
        name=name,
        x_train=scales.standardize(x_train, loc, scale),
        y_train=y_train,
        x_valid=scales.standardize(x_valid, loc, scale),
        y_valid=y_valid,
        x_test=scales.standardize(x_test, loc, scale),
        y_test=y_test,
        num_classes=num_classes,
        input_loc=loc,
        input_scale=scale,
    )


def regression_dataset(
    name: str,
    train: Part,
    test: Part,
    *,
    validation_fraction: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """Returns the Dataset of features `[N, F]` and targets `[N, D]`, each column z-scored.

    Means and standard deviations are those of the training rows that are left when the
    validation part is taken out. A column that is constant there gets scale 1.

    Args:
      name: the set's name.
      train: training features and targets in their own units.
      test: test features and targets in their own units.
      validation_fraction: share of the training rows that becomes the validation part.
      seed: seed of that choice.

    Raises:
      ValueError: an argument or array outside these bounds.
    """
    x, y = _checked(name, "train", train)
    x_test, y_test = _checked(name, "test", test)
    if not len(x):
        raise ValueError(
            f"{name}: train must hold the rows that features and targets are standardised by, "
            f"got none; give training rows."
        )
    (x_train, y_train), (x_valid, y_valid) = _hold_out(x, y, validation_fraction, seed)
    x_loc, x_scale = scales.columns(x_train)
    y_loc, y_scale = scales.columns(y_train)
    return Dataset(
        name=name,
        x_train=scales.standardize(x_train, x_loc, x_scale),
        y_train=scales.standardize(y_train, y_loc, y_scale),
        x_valid=scales.standardize(x_valid, x_loc, x_scale),
        y_valid=scales.standardize(y_valid, y_loc, y_scale),
        x_test=scales.standardize(x_test, x_loc, x_scale),
        y_test=scales.standardize(y_test, y_loc, y_scale),
        target_loc=y_loc,
        target_scale=y_scale,
        input_loc=x_loc,
        input_scale=x_scale,
    )


def _checked(name: str, part: str, arrays: Part) -> Part:
    """Checks what would be lost to view after splitting and scaling: lengths and bad rows."""
    x, y = map(np.asarray, arrays)
    for array_name, values in ((f"x_{part}", x), (f"y_{part}", y)):
        if not np.issubdtype(values.dtype, np.number):
            raise ValueError(
                f"{name}: {array_name} must hold numbers, got {values.dtype}; encode them first."
            )
        checks.check_finite(name, array_name, values)
    checks.check_lengths(name, part, x, y)
    return x, y


def _labels(name: str, part: str, y: np.ndarray, num_classes: int) -> np.ndarray:
    checks.check_label_range(name, part, y, num_classes)
    return y.astype(np.int32)


def _hold_out(x: np.ndarray, y: np.ndarray, fraction: float, seed: int) -> tuple[Part, Part]:
    train, valid = split_validation(len(x), fraction, seed=seed)
    if not len(valid):  # without the copy that indexing makes
        return (x, y), (x[:0], y[:0])
    return (x[train], y[train]), (x[valid], y[valid])


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), math.prod(x.shape[1:]))
