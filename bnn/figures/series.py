"""The look of several series in one panel, told apart without colour as well."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bnn.figures.canvas import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

_COLOURS = (BLUE, VERMILION, GREEN, BLACK, PURPLE, ORANGE, SKY)
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MAX_SERIES = len(_COLOURS)


def style(number: int, marker: bool = True) -> dict[str, Any]:
    """Colour, line style and marker of series `number`."""
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": _LINES[number % len(_LINES)],
        "marker": _MARKERS[number % len(_MARKERS)] if marker else "",
    }


def check_series(name: str, series: Mapping[str, Any]) -> None:
    """Checks that there is something to draw, and not more than can be told apart.

    Raises:
        ValueError: If there are no series, or more than there are colours.
    """
    if not 0 < len(series) <= MAX_SERIES:
        raise ValueError(
            f"{name} must hold 1 to {MAX_SERIES} series, got {len(series)}; more cannot be told "
            "apart, draw several figures."
        )


def sparse_markers(length: int, most: int = 12) -> int:
    """Every how many points a marker stands, for at most about `most` on a line."""
    return max(1, math.ceil(length / most))


def legend_columns(labels: Mapping[str, Any] | list[str], width: float) -> int:
    """How many legend columns fit into `width` inches."""
    longest = max(len(label) for label in labels)
    return max(1, min(len(labels), int(width / (0.6 + 0.065 * longest))))


def legend_height(labels: Mapping[str, Any] | list[str], width: float) -> float:
    """The inches that the rows of such a legend take."""
    return 0.17 * math.ceil(len(labels) / legend_columns(labels, width))
