"""Checks of arguments that several loaders share."""

import numbers

import numpy as np


def check_integer(
    argument: str, value: object, minimum: int, limit: int | None, remedy: str
) -> None:
    """Raises ValueError unless value is an integer in [minimum, limit); limit None: unbounded."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < minimum or (limit is not None and value >= limit):  # type: ignore[operator]
        bounds = f"at least {minimum}" if limit is None else f"in [{minimum}, {limit})"
        raise ValueError(f"{argument} must be an integer {bounds}, got {value!r}; {remedy}.")


def check_seed(seed: int) -> None:
    """Raises ValueError unless seed is an integer in [0, 2**32)."""
    check_integer("seed", seed, 0, 2**32, "give a fixed integer such as 0")


def check_fraction(argument: str, value: float, *, zero: bool) -> None:
    """Raises ValueError unless value is a fraction in (0, 1), or 0 where zero is allowed."""
    if isinstance(value, numbers.Real) and (0 < value < 1 or (zero and value == 0)):
        return
    bounds = "[0, 1)" if zero else "(0, 1)"
    raise ValueError(
        f"{argument} must be a share in {bounds}, got {value!r}; "
        f"give for example 0.1 to hold out a tenth."
    )
