"""From raw arrays to a Dataset: the validation part first, then scales from what is left."""

import math

import numpy as np

from bnn.data import checks, memory, scales
from bnn.data.dataset import Dataset
from bnn.data.splits import split_validation

Part = tuple[np.ndarray, np.ndarray]
Rows = tuple[np.ndarray, np.ndarray]


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
    divisor: float | None = None,
    rows: Rows | None = None,
    class_names: tuple[str, ...] | None = None,
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
      divisor: what raw inputs are divided by first, in float32, such as 255 for pixels: raw arrays
        may be unsigned bytes until then, a quarter of the memory. `prepare_inputs` takes inputs
        that are divided already.
      rows: numbers of the training and of the test examples in their source, int64; default: one
        part after the other.
      class_names: of the labels 0, 1, ….

    Raises:
      ValueError: an argument or array outside these bounds.
    """
    x, y = _checked(name, "train", train)
    x_test, y_test = _checked(name, "test", test)
    y, y_test = _labels(name, "train", y, num_classes), _labels(name, "test", y_test, num_classes)
    if flatten:
        x, x_test = _flat(x), _flat(x_test)
    train_rows, valid_rows = _hold_out(len(x), validation_fraction, seed)
    numbers, test_numbers = _numbers(name, rows, len(x), len(x_test))
    loc = scale = None
    x_train = _selected(x, train_rows, divisor)
    if standardize:
        if not len(x):
            raise ValueError(
                f"{name}: standardize needs a training part to take the mean from, got none; "
                f"leave it off and use prepare_inputs of the set the model was trained on."
            )
        loc, scale = scales.all_values(x_train)
    return Dataset(
        name=name,
        x_train=_standardized(x_train, x, loc, scale),
        y_train=_taken(y, train_rows),
        x_valid=_standardized(_selected(x, valid_rows, divisor), x, loc, scale),
        y_valid=y[valid_rows],
        x_test=_standardized(_selected(x_test, None, divisor), x_test, loc, scale),
        y_test=y_test,
        num_classes=num_classes,
        input_loc=loc,
        input_scale=scale,
        rows_train=_taken(numbers, train_rows),
        rows_valid=numbers[valid_rows],
        rows_test=test_numbers,
        class_names=class_names,
    )


def regression_dataset(
    name: str,
    train: Part,
    test: Part,
    *,
    validation_fraction: float = 0.0,
    seed: int = 0,
    rows: Rows | None = None,
    target_names: tuple[str, ...] | None = None,
    feature_names: tuple[str, ...] | None = None,
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
      rows: numbers of the training and of the test rows in their source, int64; default: one part
        after the other.
      target_names: of the columns of targets.
      feature_names: of the columns of features.

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
    train_rows, valid_rows = _hold_out(len(x), validation_fraction, seed)
    numbers, test_numbers = _numbers(name, rows, len(x), len(x_test))
    x_train, y_train = _taken(x, train_rows), _taken(y, train_rows)
    x_loc, x_scale = scales.columns(x_train)
    y_loc, y_scale = scales.columns(y_train)
    return Dataset(
        name=name,
        x_train=scales.standardize(x_train, x_loc, x_scale),
        y_train=scales.standardize(y_train, y_loc, y_scale),
        x_valid=scales.standardize(x[valid_rows], x_loc, x_scale),
        y_valid=scales.standardize(y[valid_rows], y_loc, y_scale),
        x_test=scales.standardize(x_test, x_loc, x_scale),
        y_test=scales.standardize(y_test, y_loc, y_scale),
        target_loc=y_loc,
        target_scale=y_scale,
        input_loc=x_loc,
        input_scale=x_scale,
        rows_train=_taken(numbers, train_rows),
        rows_valid=numbers[valid_rows],
        rows_test=test_numbers,
        target_names=target_names,
        feature_names=feature_names,
    )


def _checked(name: str, part: str, arrays: Part) -> Part:
    """Checks what would be lost to view after splitting and scaling: lengths and bad rows."""
    for array_name, given in zip((f"x_{part}", f"y_{part}"), arrays, strict=True):
        checks.check_unmasked(name, array_name, given)
    x, y = map(np.asarray, arrays)
    for array_name, values in ((f"x_{part}", x), (f"y_{part}", y)):
        if values.dtype.kind not in "iuf":
            raise ValueError(
                f"{name}: {array_name} must hold numbers, got {values.dtype}; encode them first."
            )
        checks.check_finite(name, array_name, values)
    checks.check_lengths(name, f"x_{part}", x, f"y_{part}", y)
    return x, y


def _labels(name: str, part: str, y: np.ndarray, num_classes: int) -> np.ndarray:
    checks.check_label_range(name, f"y_{part}", y, num_classes)
    return y.astype(np.int32)


def _hold_out(count: int, fraction: float, seed: int) -> tuple[np.ndarray | None, np.ndarray]:
    """The rows to train on, None for all, and the rows to validate on."""
    train, valid = split_validation(count, fraction, seed=seed)
    return (train if len(valid) else None), valid


def _taken(values: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    return values if rows is None else values[rows]  # without the copy that indexing makes


def _standardized(
    x: np.ndarray, raw: np.ndarray, loc: np.ndarray | None, scale: np.ndarray | None
) -> np.ndarray:
    """In place where x is ours to change; raw is what the caller gave."""
    ours = x is not raw and x.dtype == np.float32
    return (scales.standardize_in_place if ours else scales.standardize)(x, loc, scale)


def _selected(x: np.ndarray, rows: np.ndarray | None, divisor: float | None) -> np.ndarray:
    """In float32 where that loses nothing: float64 inputs are standardised before rounding."""
    if divisor is None and x.dtype != np.float32:
        return _taken(x, rows)
    return memory.filled(x, rows, divisor)


def _numbers(name: str, rows: Rows | None, num_train: int, num_test: int) -> Rows:
    if rows is None:
        everything = np.arange(num_train + num_test, dtype=np.int64)
        return everything[:num_train], everything[num_train:]
    for argument, numbers, count in zip(
        ("training", "test"), rows, (num_train, num_test), strict=True
    ):
        if np.shape(numbers) != (count,):
            raise ValueError(
                f"{name}: rows must hold the numbers of the {count} {argument} examples, got shape "
                f"{np.shape(numbers)}; give one an example."
            )
    return rows[0].astype(np.int64, copy=False), rows[1].astype(np.int64, copy=False)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), math.prod(x.shape[1:]))
