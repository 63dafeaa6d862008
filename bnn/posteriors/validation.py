"""Checks of the families' arguments."""

from __future__ import annotations

import math


def require_scale(initial_scale: float, name: str = "initial_scale") -> float:
    """The scale as a float; ValueError unless it is positive and finite."""
    if not (math.isfinite(initial_scale) and initial_scale > 0):
        raise ValueError(
            f"{name} must be a positive number, got {initial_scale!r}; "
            "for a posterior without spread use bnn.posteriors.Point()."
        )
    return float(initial_scale)


def require_count(name: str, value: int) -> int:
    """The value; ValueError unless it is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return value


def require_rate(
    name: str, rate: float, remedy: str = "without dropout use bnn.posteriors.Point()"
) -> float:
    """The rate as a float; ValueError unless it lies strictly between 0 and 1."""
    if not 0 < rate < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {rate!r}; {remedy}.")
    return float(rate)
