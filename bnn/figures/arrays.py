"""Checked arrays for the figures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def vectors(**arguments: npt.ArrayLike) -> list[npt.NDArray[np.float64]]:
    """Returns the arguments as float64 vectors `[N]` of one length, N at least 1.

    A trailing axis of length 1 is dropped, as in targets `[N, 1]`.

    Raises:
        ValueError: If an argument is not a vector, is empty, or differs in length from the first.
    """
    checked: dict[str, npt.NDArray[np.float64]] = {}
    for name, value in arguments.items():
        array = np.asarray(value, np.float64)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1 or array.size == 0:
            raise ValueError(
                f"{name} must be a vector [N] of at least one number, got shape "
                f"{list(array.shape)}; pass one number for each example."
            )
        first = next(iter(checked), name)
        if len(array) != len(checked.get(first, array)):
            raise ValueError(
                f"{name} must have the length of {first}, {len(checked[first])}, got "
                f"{len(array)}; pass one number for each example."
            )
        checked[name] = array
    return list(checked.values())


def finite(**arguments: npt.NDArray[np.float64]) -> None:
    """Checks that every entry is finite.

    Raises:
        ValueError: If an entry is NaN or infinite; the message names its place.
    """
    for name, array in arguments.items():
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            raise ValueError(
                f"{name} must be finite, got {array[bad[0]]} at index {bad[0]} ({bad.size} of "
                f"{array.size} entries); look for the example that gave it."
            )


def interval(lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]) -> None:
    """Checks that lower bounds do not exceed upper bounds.

    Raises:
        ValueError: If they do somewhere; the message names the place.
    """
    bad = np.flatnonzero(lower > upper)
    if bad.size:
        raise ValueError(
            f"lower must not exceed upper, got {lower[bad[0]]} > {upper[bad[0]]} at index "
            f"{bad[0]}; check the order of the two arguments."
        )
