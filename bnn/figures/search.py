"""What a search for hyperparameters has tried."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnn.figures.arrays import vectors
from bnn.figures.canvas import BLUE, GREY, VERMILION, canvas, panels, shared_legend
from bnn.formatting import is_number

_MOST = 5  # choices, a panel each


def search_trials(
    choices: Mapping[str, Sequence[Any]],
    scores: npt.ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    stopped: Sequence[bool] = (),
    label: str = "Validation NLL (nats)",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draws the score of every trial, the best so far, and the score against each choice.

    Numbers that span more than a factor of 20 are on a logarithmic axis, texts are places of their
    own. At most five choices have a panel.

    Args:
        choices: by name `[T]`, in the order in which they were tried: numbers or texts.
        scores: `[T]`, lower is better; NaN where there is none.
        path: The PNG file to write; none where None.
        stopped: `[T]`, whether a trial was stopped early; none where it is empty.
        label: What the score is, with its unit.
        ax: One axes, and one for each choice, to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If lengths differ, or no score is finite.
    """
    (values,) = vectors(scores=scores)
    early = np.zeros(len(values), bool) if not len(stopped) else np.asarray(stopped, bool)
    for name, each in {"stopped": list(early), **choices}.items():
        if len(each) != len(values):
            raise ValueError(
                f"{name} must have the length of scores, {len(values)}, got {len(each)}; give "
                "one for each trial."
            )
    known = np.isfinite(values)
    if not known.any():
        raise ValueError("scores must hold a finite number, got none; no trial has been judged.")
    shown = dict(list(choices.items())[:_MOST])
    with canvas(path, 0.6 + 2.3 * (1 + len(shown)), 2.7, ax) as figure:
        axes = panels(figure, ax, 1, 1 + len(shown), sharey=True)
        numbers = np.arange(1, len(values) + 1)
        best = np.fmin.accumulate(np.where(known & ~early, values, np.nan))
        axes[0].step(numbers, best, where="post", color=GREY, label="best so far")
        _marks(axes[0], numbers, values, early)
        axes[0].set(xlabel="Trial", ylabel=label)
        axes[0].xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        for axis, (name, tried) in zip(axes[1:], shown.items(), strict=True):
            _marks(axis, _places(axis, tried), values, early)
            axis.set_xlabel(name)
        shared_legend(figure, ax=ax)
    return figure


def _places(axis: Axes, tried: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Where the choices stand on the axis, which is made for them."""
    if all(is_number(value) for value in tried):
        numbers = np.asarray(tried, np.float64)
        if numbers.min() > 0 and numbers.max() > 20 * numbers.min():
            axis.set_xscale("log")
        return numbers
    texts = [str(value) for value in tried]
    names = sorted(set(texts))
    axis.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axis.set_xlim(-0.5, len(names) - 0.5)
    return np.array([names.index(text) for text in texts], np.float64)


def _marks(
    axis: Axes,
    places: npt.NDArray[Any],
    values: npt.NDArray[np.float64],
    early: npt.NDArray[np.bool_],
) -> None:
    best = np.nanargmin(np.where(early, np.nan, values)) if not early.all() else -1
    for kept, marker, colour, name in (
        (~early, "o", BLUE, "finished"),
        (early, "x", GREY, "stopped early"),
    ):
        if kept.any():
            axis.plot(places[kept], values[kept], marker, color=colour, label=name)
    if best >= 0:
        place, value = places[best : best + 1], values[best : best + 1]
        axis.plot(place, value, "o", ms=8, mfc="none", color=VERMILION, label="best")
