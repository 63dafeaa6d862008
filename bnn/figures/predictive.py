"""What a regression model expects, and how sure it is."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnn.figures.arrays import finite, interval, vectors
from bnn.figures.canvas import BLACK, BLUE, GREY, SKY, VERMILION, canvas, panels, shared_legend


def predictive_band(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    mean: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    level: float = 0.95,
    x_label: str = "Input",
    y_label: str = "Target",
    ax: Axes | None = None,
) -> Figure:
    """Draws the predictive mean and interval over a one-dimensional input, with the targets.

    Args:
        x: `[N]` or `[N, 1]`, inputs in any order.
        y: `[N]`, targets; NaN where there is none, as between and beyond the data.
        mean: `[N]`, predictive means, in the targets' units.
        lower: `[N]`, lower ends of the predictive intervals.
        upper: `[N]`, upper ends of the predictive intervals.
        path: The PNG file to write; none where None.
        level: The probability of the intervals, for the legend.
        x_label: What the input is, with its unit.
        y_label: What the target is, with its unit.
        ax: Axes to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If lengths differ, a prediction is not finite or a lower end exceeds its upper.
    """
    x, y, mean, lower, upper = _predictions(level, x=x, y=y, mean=mean, lower=lower, upper=upper)
    finite(x=x)
    order = np.argsort(x, kind="stable")
    with canvas(path, 5.0, 3.1, ax) as figure:
        (axis,) = panels(figure, ax)
        axis.fill_between(
            x[order], lower[order], upper[order], color=SKY, alpha=0.35, lw=0, label=_name(level)
        )
        for bound in (lower, upper):  # edges, so that the band survives a grey print
            axis.plot(x[order], bound[order], color=BLUE, lw=0.6, alpha=0.7)
        axis.plot(x[order], mean[order], color=BLUE, label="predictive mean")
        seen = np.isfinite(y)
        _targets(axis, x[seen], y[seen], ((lower <= y) & (y <= upper))[seen])
        axis.set(xlabel=x_label, ylabel=y_label)
        shared_legend(figure, ax=ax)
    return figure


def predictive_intervals(
    y: npt.ArrayLike,
    mean: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    level: float = 0.95,
    label: str = "Target",
    max_examples: int = 150,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draws targets against predictions, and targets with their intervals sorted by prediction.

    Of more than 1,000 examples the left panel, and of more than `max_examples` the right panel,
    shows that many, evenly spaced in the order of predictions; the coverage printed is that of all.

    Args:
        y: `[N]` or `[N, 1]`, targets.
        mean: `[N]`, predictive means, in the targets' units.
        lower: `[N]`, lower ends of the predictive intervals.
        upper: `[N]`, upper ends of the predictive intervals.
        path: The PNG file to write; none where None.
        level: The probability of the intervals, to compare the coverage with.
        label: What the target is, with its unit.
        max_examples: How many intervals the right panel shows at most.
        ax: Two axes to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If lengths differ, a value is not finite or a lower end exceeds its upper.
    """
    y, mean, lower, upper = _predictions(level, y=y, mean=mean, lower=lower, upper=upper)
    finite(y=y)
    if max_examples < 2:
        raise ValueError(f"max_examples must be at least 2, got {max_examples}; raise it.")
    inside = (lower <= y) & (y <= upper)
    cloud = _spread(mean, 1000)
    order = _spread(mean, max_examples)
    rank = np.arange(1.0, len(order) + 1)
    pitch = 200 / max(len(order), 75)  # points between two intervals
    with canvas(path, 7.2, 3.4, ax) as figure:
        left, right = panels(figure, ax, 1, 2, sharey=True, width_ratios=[1, 1.6])
        ends = [mean.min(), mean.max()]
        left.plot(ends, ends, color=GREY, linestyle=":", label="target = mean")
        _targets(left, mean[cloud], y[cloud], inside[cloud])
        left.set(xlabel=f"Predictive mean{_shown(cloud, y)}", ylabel=label)
        right.vlines(
            rank,
            lower[order],
            upper[order],
            color=SKY,
            lw=0.75 * pitch,
            label=_name(level),
        )
        right.plot(rank, mean[order], color=BLUE, label="predictive mean")
        _targets(right, rank, y[order], inside[order])
        right.set(xlabel=f"Examples, sorted by predictive mean{_shown(order, y)}")
        right.set_title(
            f"{100 * inside.mean():.1f} % of {len(y):,} targets in their {_name(level)}"
        )
        shared_legend(figure, ax=ax)
    return figure


def _spread(mean: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.intp]:
    """Returns at most `most` indices in the order of `mean`, evenly spaced in that order."""
    order = np.argsort(mean, kind="stable")
    if len(order) <= most:
        return order
    return order[np.linspace(0, len(order) - 1, most).round().astype(np.intp)]


def _predictions(level: float, **arguments: npt.ArrayLike) -> list[npt.NDArray[np.float64]]:
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}; 0.95 means 95 %.")
    arrays = vectors(**arguments)
    mean, lower, upper = arrays[-3:]
    finite(mean=mean, lower=lower, upper=upper)
    interval(lower, upper)
    return arrays


def _targets(
    axis: Axes,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    inside: npt.NDArray[np.bool_],
) -> None:
    """Marks targets inside their interval as dots and those outside as crosses."""
    size = 9.0 if len(x) <= 200 else 4.0
    if inside.any():
        axis.scatter(x[inside], y[inside], size, BLACK, lw=0, label="target", zorder=3)
    if (~inside).any():
        axis.scatter(
            x[~inside],
            y[~inside],
            2.5 * size,
            VERMILION,
            marker="x",
            lw=1.1,
            label="target outside",
            zorder=3,
        )


def _shown(chosen: npt.NDArray[np.intp], y: npt.NDArray[np.float64]) -> str:
    return "" if len(chosen) == len(y) else f" ({len(chosen):,} of {len(y):,} shown)"


def _name(level: float) -> str:
    return f"{100 * level:g} % interval"
