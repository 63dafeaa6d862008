"""Plain Python values out of whatever a run reports."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any


def scalar(name: str, value: Any) -> int | float:
    """Returns the real scalar `value` (Python, NumPy or tensor, shape `[]`) as an int or a float.

    Raises:
        TypeError: If `value` is not one real number; the message names `name`.
    """
    if isinstance(value, numbers.Integral):
        return int(value)
    if not isinstance(value, str) and tuple(getattr(value, "shape", ())) == ():
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise TypeError(
        f"values[{name!r}] must be one real number, got {_described(value)}; "
        "reduce it to a scalar before logging it, for example with float(numpy.mean(value))."
    )


def scalars(values: Mapping[str, Any]) -> dict[str, int | float]:
    """Returns `values` with plain Python numbers, in the same order.

    Raises:
        TypeError: If a key is not a string or a value is not one real number.
        ValueError: If a key is "step", which is an argument of its own.
    """
    plain = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise TypeError(f"values must have strings as keys, got {name!r}; name the metric.")
        if name == "step":
            raise ValueError("values must not hold 'step'; pass it as the argument `step`.")
        plain[name] = scalar(name, value)
    return plain


def flatten(results: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns `results` with nested mappings joined by "/" and leaves as plain Python values."""
    flat: dict[str, Any] = {}
    for key, value in results.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}/"))
        else:
            flat[name] = _leaf(value)
    return flat


def _leaf(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_leaf(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return value.tolist()
    return str(value)


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None and tuple(shape) != ():
        return f"an array of shape {list(shape)}"
    return f"{value!r} of type {type(value).__name__}"
