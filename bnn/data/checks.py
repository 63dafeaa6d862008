"""What every data set must satisfy, with errors that name the set, the part and the row."""

from typing import Any

import numpy as np

from bnn.data import memory


def check_inputs(name: str, label: str, x: np.ndarray) -> None:
    """Raises ValueError unless x is float32 or int32 `[N, ...]`, of rank 2, and finite."""
    right_type = isinstance(x, np.ndarray) and x.dtype in (np.float32, np.int32)
    if not right_type or x.ndim < 2:
        raise ValueError(
            f"{name}: {label} must be a float32 array [N, ...] of rank 2 or more (int32 for token "
            f"numbers), got {describe(x)}; convert it with x.astype('float32') and reshape it."
        )
    check_finite(name, label, x)


def check_values(name: str, label: str, y: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises ValueError unless y is float32 `[N, D]`, finite, with D as in the training part."""
    if not isinstance(y, np.ndarray) or y.dtype != np.float32 or y.ndim != 2 or y.shape[1] < 1:
        raise ValueError(
            f"{name}: {label} must be a float32 array [N, D] of standardised targets, "
            f"got {describe(y)}; write a single target as [N, 1], and for labels give num_classes."
        )
    _check_columns(name, label, y, shape)
    check_finite(name, label, y)


def check_counts(name: str, label: str, y: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises ValueError unless y is float32 `[N, D]` of whole numbers of at least 0."""
    check_values(name, label, y, shape)
    _check_rows(
        name, label, y, (y < 0) | (y != np.floor(y)), "counts must be whole numbers of at least 0"
    )


def check_multi_label(name: str, label: str, y: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises ValueError unless y is int32 `[N, L]` of zeros and ones."""
    if not isinstance(y, np.ndarray) or y.dtype != np.int32 or y.ndim != 2 or y.shape[1] < 1:
        raise ValueError(
            f"{name}: {label} must be an int32 array [N, L] with a column a label, got "
            f"{describe(y)}; convert it with y.astype('int32')."
        )
    _check_columns(name, label, y, shape)
    _check_rows(name, label, y, (y != 0) & (y != 1), "labels of several at a time are 0 or 1")


def check_labels(
    name: str, label: str, y: np.ndarray, num_classes: int | None, *, is_map: bool = False
) -> None:
    """Raises ValueError unless y is int32 `[N]`, a map `[N, ...]`, in [0, num_classes)."""
    if not isinstance(y, np.ndarray) or y.dtype != np.int32:
        raise ValueError(
            f"{name}: {label} must be an int32 array [N] of labels, got {describe(y)}; "
            f"convert it with y.astype('int32')."
        )
    check_label_range(name, label, y, num_classes, is_map=is_map)


def check_label_range(
    name: str,
    label: str,
    y: np.ndarray,
    num_classes: int | None,
    remedy: str | None = None,
    *,
    is_map: bool = False,
) -> None:
    """Raises ValueError unless y holds integers `[N]` (a map: `[N, ...]`) in [0, num_classes)."""
    if not isinstance(num_classes, (int, np.integer)) or num_classes < 2:
        raise ValueError(
            f"{name}: num_classes must be an integer of at least 2, got {num_classes!r}; "
            f"give the number of classes, or None for regression."
        )
    if not np.issubdtype(y.dtype, np.integer) or (y.ndim < 2 if is_map else y.ndim != 1):
        form, number = ("[N, ...]", "a place") if is_map else ("[N]", "an example")
        raise ValueError(
            f"{name}: {label} must be an integer array {form} of labels, got {describe(y)}; "
            f"give one class number {number}."
        )
    bad = (y < 0) | (y >= num_classes)
    if bad.any():
        rows = bad.reshape(len(y), -1).any(axis=1)
        row = int(np.argmax(rows))
        remedy = remedy or "number the classes from 0, or give a larger num_classes"
        raise ValueError(
            f"{name}: wrong label range: the labels in {label} must lie in [0, {num_classes}), "
            f"got {np.asarray(y[row])[bad[row]].ravel()[0]} in row {row} ({int(rows.sum())} such "
            f"rows); {remedy}."
        )


def check_weights(name: str, label: str, weights: np.ndarray, count: int) -> None:
    """Raises ValueError unless weights are float32 `[N]`, finite, at least 0 and not all 0."""
    if not isinstance(weights, np.ndarray) or weights.dtype != np.float32 or weights.ndim != 1:
        raise ValueError(
            f"{name}: {label} must be a float32 array [N], a weight an example, got "
            f"{describe(weights)}; convert it with weights.astype('float32')."
        )
    if len(weights) != count:
        raise ValueError(
            f"{name}: {label} must hold the {count} weights of its part, got {len(weights)}; give "
            f"one an example."
        )
    check_finite(name, label, weights)
    _check_rows(name, label, weights, weights < 0, "weights must be at least 0")
    if count and not weights.any():
        raise ValueError(
            f"{name}: {label} must hold a weight above 0, got zeros only; leave it out, or give 1 "
            f"to the examples that count."
        )


def check_lengths(name: str, x_label: str, x: np.ndarray, y_label: str, y: np.ndarray) -> None:
    """Raises ValueError unless x and y have the same number of rows."""
    if x.shape[:1] != y.shape[:1] or not x.ndim:
        raise ValueError(
            f"{name}: {x_label} and {y_label} must have one row an example, got shapes {x.shape} "
            f"and {y.shape}; pair every input with its target."
        )


def check_finite(name: str, label: str, values: np.ndarray) -> None:
    """Raises ValueError naming the first row of values `[N, ...]` that is not finite, or masked."""
    check_unmasked(name, label, values)
    if not np.issubdtype(values.dtype, np.inexact):
        return
    first: tuple[int, Any] | None = None
    count = 0
    for part in memory.blocks(values):
        finite = np.isfinite(values[part])
        if finite.all():
            continue
        bad = ~finite.reshape(len(finite), -1).all(axis=1)
        count += int(bad.sum())
        if first is None:
            row = int(np.argmax(bad))
            first = part.start + row, values[part][row][~finite[row]].ravel()[0]
    if first is not None:
        raise ValueError(
            f"{name}: {label} must be finite, got {first[1]} in row {first[0]} "
            f"({count} such rows); repair or drop these rows."
        )


def check_whole(name: str, label: str, y: np.ndarray) -> None:
    """Raises ValueError naming the first row of several labels with one between 0 and 1."""
    if y.dtype.kind == "f":
        _check_rows(name, label, y, y != np.floor(y), "labels of several at a time are 0 or 1")


def to_int32(name: str, label: str, values: np.ndarray) -> np.ndarray:
    """Returns integers as int32; ValueError for one beyond its range, which would be another."""
    if values.size and values.dtype.kind in "iu" and not np.can_cast(values.dtype, np.int32):
        low, high = int(values.min()), int(values.max())
        if low < -(2**31) or high >= 2**31:
            raise ValueError(
                f"{name}: integers in {label} must lie in [-2³¹, 2³¹), as tokens and categories "
                f"do, got {high if high >= 2**31 else low}; give large numbers as floats, scaled."
            )
    return values.astype(np.int32, copy=False)


def check_unmasked(name: str, label: str, values: Any) -> None:
    """Raises ValueError for an array with masked values, whose masks would be forgotten."""
    if np.ma.is_masked(values):
        rows = np.ma.getmaskarray(values).reshape(len(values), -1).any(axis=1)
        raise ValueError(
            f"{name}: {label} must have no masked values, got one in row {int(np.argmax(rows))} "
            f"({int(rows.sum())} such rows); fill them in, or drop these rows."
        )


def describe(value: object) -> str:
    """Returns type and shape in words."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"{type(value).__name__}"


def _check_columns(name: str, label: str, y: np.ndarray, shape: tuple[int, ...]) -> None:
    if y.shape[1:] != shape:
        of = label.replace("_valid", "_train").replace("_test", "_train")
        raise ValueError(
            f"{name}: {label} must have the {shape[0]} target columns of {of}, "
            f"got {y.shape[1]}; bring all parts to the same targets."
        )


def _check_rows(name: str, label: str, values: np.ndarray, bad: np.ndarray, rule: str) -> None:
    if bad.any():
        rows = bad.reshape(len(values), -1).any(axis=1)
        row = int(np.argmax(rows))
        value = np.asarray(values[row])[bad[row]].ravel()[0]
        raise ValueError(
            f"{name}: wrong values in {label}: {rule}, got {value} in row {row} "
            f"({int(rows.sum())} such rows); correct these rows."
        )
