"""Numbers as text."""

from __future__ import annotations

import math

from bnn.report.statistics import Difference, Estimate

MISSING = "–"


def show_number(value: float, digits: int = 4) -> str:
    """`digits` significant digits; large whole parts are kept."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return _minus(f"{value:.{digits - 1}e}")
    places = max(0, digits - 1 - (math.floor(math.log10(abs(value))) if value else 0))
    return _minus(f"{value:.{places}f}")


def show_estimate(estimate: Estimate, factor: float = 1.0) -> str:
    """`0.1185 ± 0.0021`: the error with two digits, the mean to the same place."""
    mean = estimate.mean * factor
    if estimate.error is None or not math.isfinite(estimate.error):
        return show_number(mean)
    error = estimate.error * abs(factor)
    if error == 0:
        return f"{show_number(mean)} ± 0"
    places = _places(error)
    return f"{_minus(f'{mean:.{places}f}')} ± {error:.{places}f}"


def show_interval(difference: Difference, factor: float = 1.0) -> str:
    """`−0.0120 to 0.0031`: three digits of the width."""
    lower, upper = difference.lower * factor, difference.upper * factor
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return MISSING
    places = _places(upper - lower) if upper > lower else 4
    return f"{_minus(f'{lower:.{places}f}')} to {_minus(f'{upper:.{places}f}')}"


def show_difference(difference: Difference, factor: float = 1.0) -> str:
    """`−0.0045`, to the place of its interval."""
    width = (difference.upper - difference.lower) * factor
    if not math.isfinite(width):
        return show_number(difference.mean * factor)
    places = _places(width) if width > 0 else 4
    return _minus(f"{difference.mean * factor:+.{places}f}")


def _places(size: float) -> int:
    """Decimal places that show two digits of a number of this size."""
    return max(0, 1 - math.floor(math.log10(size)))


def _minus(text: str) -> str:
    """With a minus sign for a hyphen; zero has none."""
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    return text.replace("-", "−", 1) if text.startswith("-") else text
