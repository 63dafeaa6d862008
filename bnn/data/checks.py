"""What every data set must satisfy, with errors that name the set, the part and the row."""

from typing import Protocol

import numpy as np


class _Scales(Protocol):
    @property
    def target_loc(self) -> np.ndarray | None: ...
    @property
    def target_scale(self) -> np.ndarray | None: ...
    @property
    def input_loc(self) -> np.ndarray | None: ...
    @property
    def input_scale(self) -> np.ndarray | None: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...


def check_inputs(name: str, part: str, x: np.ndarray) -> None:
    """Raises ValueError unless x is float32 `[N, ...]`, of rank 2 or more, and finite."""
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim < 2:
        raise ValueError(
            f"{name}: x_{part} must be a float32 array [N, ...] of rank 2 or more, "
            f"got {_describe(x)}; convert it with x.astype('float32') and reshape it."
        )
    check_finite(name, f"x_{part}", x)


def check_targets(name: str, part: str, y: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises ValueError unless y is float32 `[N, D]`, finite, with D as in the training part."""
    if not isinstance(y, np.ndarray) or y.dtype != np.float32 or y.ndim != 2 or y.shape[1] < 1:
        raise ValueError(
            f"{name}: y_{part} must be a float32 array [N, D] of standardised targets, "
            f"got {_describe(y)}; write a single target as [N, 1], and for labels give num_classes."
        )
    if y.shape[1:] != shape:
        raise ValueError(
            f"{name}: y_{part} must have the {shape[0]} target columns of y_train, "
            f"got {y.shape[1]}; bring all parts to the same targets."
        )
    check_finite(name, f"y_{part}", y)


def check_labels(name: str, part: str, y: np.ndarray, num_classes: int) -> None:
    """Raises ValueError unless y is int32 `[N]` with labels in [0, num_classes)."""
    if not isinstance(y, np.ndarray) or y.dtype != np.int32:
        raise ValueError(
            f"{name}: y_{part} must be an int32 array [N] of labels, got {_describe(y)}; "
            f"convert it with y.astype('int32')."
        )
    check_label_range(name, part, y, num_classes)


def check_label_range(
    name: str, part: str, y: np.ndarray, num_classes: int, remedy: str | None = None
) -> None:
    """Raises ValueError unless y holds integers `[N]` in [0, num_classes)."""
    if not isinstance(num_classes, (int, np.integer)) or num_classes < 2:
        raise ValueError(
            f"{name}: num_classes must be an integer of at least 2, got {num_classes!r}; "
            f"give the number of classes, or None for regression."
        )
    if not np.issubdtype(y.dtype, np.integer) or y.ndim != 1:
        raise ValueError(
            f"{name}: y_{part} must be an integer array [N] of labels, got {_describe(y)}; "
            f"give one class number an example."
        )
    bad = (y < 0) | (y >= num_classes)
    if bad.any():
        row = int(np.argmax(bad))
        remedy = remedy or "number the classes from 0, or give a larger num_classes"
        raise ValueError(
            f"{name}: wrong label range: the labels in y_{part} must lie in [0, {num_classes}), "
            f"got {y[row]} in row {row} ({int(bad.sum())} such rows); {remedy}."
        )


def check_lengths(name: str, part: str, x: np.ndarray, y: np.ndarray) -> None:
    """Raises ValueError unless x and y have the same number of rows."""
    if x.shape[:1] != y.shape[:1] or not x.ndim:
        raise ValueError(
            f"{name}: x_{part} and y_{part} must have one row an example, got shapes {x.shape} "
            f"and {y.shape}; pair every input with its target."
        )


def check_scales(
    name: str, num_classes: int | None, num_targets: int | None, scales: _Scales
) -> None:
    """Raises ValueError unless locs and scales come in pairs that are finite and fit the data."""
    for what, loc, scale, shapes in (
        ("target", scales.target_loc, scales.target_scale, [(num_targets,)]),
        ("input", scales.input_loc, scales.input_scale, [(), scales.input_shape]),
    ):
        if what == "target" and (loc is None) != (num_classes is not None):
            raise ValueError(
                f"{name}: target_loc and target_scale must be given for regression and None for "
                f"classification, got num_classes={num_classes} and target_loc={loc}; "
                f"regression_dataset and classification_dataset fill them in."
            )
        if loc is None and scale is None:
            continue
        right = all(
            np.shape(value) in shapes and np.isfinite(value).all()
            for value in (loc, scale)
            if value is not None
        )
        if loc is None or scale is None or not right or not (np.asarray(scale) > 0).all():
            raise ValueError(
                f"{name}: {what}_loc and {what}_scale must be finite, of shape "
                f"{' or '.join(map(str, shapes))}, and the scale positive, got {loc} and {scale}; "
                f"a constant column has scale 1."
            )


def check_finite(name: str, array_name: str, values: np.ndarray) -> None:
    """Raises ValueError naming the first row of values `[N, ...]` that is not finite."""
    finite = np.isfinite(values)
    if not finite.all():
        bad = ~finite.reshape(len(values), -1).all(axis=1)
        row = int(np.argmax(bad))
        value = values[row][~finite[row]][0]
        raise ValueError(
            f"{name}: {array_name} must be finite, got {value} in row {row} "
            f"({int(bad.sum())} such rows); repair or drop these rows."
        )


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"{type(value).__name__}"
