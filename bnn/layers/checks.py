"""Checks of arguments that layers share."""

from __future__ import annotations


def positive(name: str, value: int) -> int:
    """A positive integer, as it is; ValueError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    return value
