"""Numbers as people read them: by significant digits, so that none is shown as zero but zero."""

from __future__ import annotations

import html
import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

# Shown as they are; smaller and larger ones with an exponent.
_SMALLEST, _LARGEST = 1e-4, 1e7


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is one real number, NumPy's among them; True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def show(value: float, digits: int = 4, trim: bool = False) -> str:
    """Returns `digits` significant digits; whole parts are kept, and zero is "0".

    0.00040 and 0.012 in place of 0.000 and 0.01; nan, inf and -inf as Python has them.

    Args:
      value: a real number.
      digits: at least 1.
      trim: leave zeros at the end out, 0.5 in place of 0.5000.
    """
    value = float(value)
    if not math.isfinite(value) or value == 0:
        return f"{value:.0f}".removeprefix("-") if value == 0 else str(value)
    if not _SMALLEST <= abs(value) < _LARGEST:
        return f"{value:.{digits}g}" if trim else f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")  # 9.9996 has its digits after the rounding
    text = f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"
    return text.rstrip("0").removesuffix(".") if trim and "." in text else text


def show_to(value: float, places: int, digits: int = 2) -> str:
    """Returns the value to so many decimal places, or by `digits` where that would show zero.

    Args:
      value: a real number, such as a mean that is shown to the place of its error.
      places: after the point.
      digits: significant ones of a value that vanishes at that place.
    """
    if not math.isfinite(value) or (value != 0 and round(value, places) == 0):
        return show(value, digits)
    return f"{value:.{places}f}"


def places_of(size: float, digits: int = 2) -> int:
    """Returns the decimal places that show `digits` of a positive number of this size."""
    return max(0, digits - 1 - math.floor(math.log10(size)))


def with_unit(text: str, unit: str, power: int = 1) -> str:
    """Returns the text with a power of the unit behind it, or alone where there is none of either.

    Args:
      text: what the numbers are.
      unit: of the target, such as "kWh"; "" where it is not known.
      power: 0 for numbers without a unit, 1 for its own, 2 for its square.
    """
    return f"{text} ({unit_power(unit, power)})" if unit and power else text


def unit_power(unit: str, power: int) -> str:
    """Returns the unit, or its square for a power of 2: kWh², (m/s)²."""
    if power == 1:
        return unit
    return f"{unit}²" if unit.isalpha() else f"({unit})²"


def html_table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table for a notebook; every text is shown as it is, whatever signs it has."""

    def line(kind: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(c)}</{kind}>" for c in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    title = f"<caption>{html.escape(caption)}</caption>"
    head = f"<thead>{line('th', headings)}</thead>"
    return f"<table>{title}{head}<tbody>{body}</tbody></table>"
