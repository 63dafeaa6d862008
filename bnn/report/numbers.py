"""Numbers of a report as text."""

from __future__ import annotations

import math

from bnn.formatting import places_of, show, show_to
from bnn.report.statistics import Difference, Estimate

MISSING = "–"


def show_number(value: float, digits: int = 4) -> str:
    """`digits` significant digits; large whole parts are kept."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return _minus(show(value, digits))


def show_estimate(estimate: Estimate, factor: float = 1.0) -> str:
    """`0.1185 ± 0.0021`: the error with two digits, the mean to the same place."""
    mean = estimate.mean * factor
    if estimate.error is None or not math.isfinite(estimate.error):
        return show_number(mean)
    error = estimate.error * abs(factor)
    if error == 0:
        return f"{show_number(mean)} ± 0"
    if error < 1e-4:
        return f"{show_number(mean)} ± {show_number(error, 2)}"
    places = places_of(error)
    return f"{_minus(show_to(mean, places))} ± {error:.{places}f}"


def show_interval(difference: Difference, factor: float = 1.0) -> str:
    """`−0.0120 to 0.0031`: two digits of the width; an end that is not zero is not shown as it."""
    lower, upper = difference.lower * factor, difference.upper * factor
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return MISSING
    if upper - lower < 1e-4:
        return f"{show_number(lower)} to {show_number(upper)}"
    places = places_of(upper - lower)
    return f"{_minus(show_to(lower, places))} to {_minus(show_to(upper, places))}"


def show_difference(difference: Difference, factor: float = 1.0) -> str:
    """`−0.0045`, to the place of its interval, with its sign."""
    mean, width = difference.mean * factor, (difference.upper - difference.lower) * factor
    if not math.isfinite(width) or width < 1e-4:
        text = show_number(mean)
    else:
        text = _minus(show_to(mean, places_of(width)))
    return text if text.startswith(("−", MISSING)) or mean == 0 else f"+{text}"


def _minus(text: str) -> str:
    """With a minus sign for a hyphen; zero has none."""
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    return text.replace("-", "−", 1) if text.startswith("-") else text
