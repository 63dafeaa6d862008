"""What a regression model expects, and how sure it is: a row of panels for every target."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnn.figures.arrays import finite, interval, vectors
from bnn.figures.canvas import BLACK, BLUE, GREY, SKY, VERMILION, canvas, panels, shared_legend

# More rows would not fit on a page.
MAX_TARGETS = 6
# Of targets that are not drawn so many are named.
_MOST_NAMED = 20
# Inches of the legend, and at most of all rows: a page of A4 holds the figure.
_LEGEND, _ROWS = 0.7, 10.3


def predictive_band(
    x: npt.ArrayLike,
    y: npt.ArrayLike | None,
    mean: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    level: float = 0.95,
    x_label: str = "Input",
    y_label: str | Sequence[str] = "Target",
    not_drawn: Sequence[str] = (),
    points: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draws the predictive mean and interval over a one-dimensional input, with the targets.

    Args:
        x: `[N]` or `[N, 1]`, inputs in any order.
        y: `[N]` or `[N, D]`, targets; NaN where there is none, as between and beyond the data; or
            None for none at all. Each of D, at most `MAX_TARGETS`, has a panel.
        mean: `[N]` or `[N, D]`, predictive means, in the targets' units.
        lower: As y, lower ends of the predictive intervals.
        upper: As y, upper ends of the predictive intervals.
        path: The PNG file to write; none where None.
        level: The probability of the intervals, for the legend.
        x_label: What the input is, with its unit.
        y_label: What the target is, with its unit; of each of several.
        not_drawn: Names of further targets, which stand below the last panel.
        points: Inputs `[M]` and targets `[M]` or `[M, D]` at other places than x, as data beside a
            curve over a grid. The interval there is that between its neighbours in x.
        ax: Axes to draw into, one for each target, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If lengths differ, a prediction is not finite, a lower end exceeds its upper, or
            there are too many targets.
    """
    y = np.full(np.shape(mean), np.nan) if y is None else y
    targets = _by_target(y=y, mean=mean, lower=lower, upper=upper)
    each = [_predictions(level, x=x, **target) for target in targets]
    labels = _labels("y_label", y_label, len(each))
    elsewhere = _elsewhere(points, len(each))
    finite(x=each[0][0])
    height = _LEGEND + min(2.4 * len(each), _ROWS)
    with canvas(path, 5.0, height, ax) as figure:
        axes = panels(figure, ax, len(each), 1, sharex=True)
        for axis, arrays, label, more in zip(axes, each, labels, elsewhere, strict=True):
            _band(axis, arrays, level, more)
            axis.set_ylabel(label)
        axes[-1].set_xlabel(x_label + _others(not_drawn, 60))
        shared_legend(figure, ax=ax)
    return figure


def _band(
    axis: Axes,
    arrays: Sequence[npt.NDArray[np.float64]],
    level: float,
    elsewhere: Sequence[npt.NDArray[np.float64]],
) -> None:
    x, y, mean, lower, upper = arrays
    order = np.argsort(x, kind="stable")
    axis.fill_between(
        x[order], lower[order], upper[order], color=SKY, alpha=0.35, lw=0, label=_name(level)
    )
    for bound in (lower, upper):  # edges, so that the band survives a grey print
        axis.plot(x[order], bound[order], color=BLUE, lw=0.6, alpha=0.7)
    axis.plot(x[order], mean[order], color=BLUE, label="predictive mean")
    seen = np.isfinite(y)
    at, value = elsewhere
    low, high = (
        np.concatenate([bound[seen], np.interp(at, x[order], bound[order])])
        for bound in (lower, upper)
    )
    at, value = np.concatenate([x[seen], at]), np.concatenate([y[seen], value])
    _targets(axis, at, value, (low <= value) & (value <= high))


def _elsewhere(
    points: tuple[npt.ArrayLike, npt.ArrayLike] | None, count: int
) -> list[list[npt.NDArray[np.float64]]]:
    """Inputs and targets of the points of every target; empty where there are none."""
    if points is None:
        return [[np.zeros(0), np.zeros(0)]] * count
    if len(points) != 2:
        raise ValueError(
            f"points must be two arrays, inputs and targets, got {len(points)}; pass (x, y)."
        )
    inputs, targets = points
    each = [vectors(inputs=inputs, **target) for target in _by_target(targets=targets)]
    if len(each) != count:
        raise ValueError(
            f"the targets of points must have the columns of mean, {count}, got {len(each)}; pass "
            "one for each target."
        )
    for x, y in each:
        finite(inputs=x, targets=y)
    return each


def predictive_intervals(
    y: npt.ArrayLike,
    mean: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    level: float = 0.95,
    label: str | Sequence[str] = "Target",
    max_examples: int = 150,
    not_drawn: Sequence[str] = (),
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draws targets against predictions, and targets with their intervals sorted by prediction.

    Of more than 1,000 examples the left panel, and of more than `max_examples` the right panel,
    shows that many, evenly spaced in the order of predictions; the coverage printed is that of all.

    Args:
        y: `[N]` or `[N, D]`, targets. Each of D, at most `MAX_TARGETS`, has a row of panels.
        mean: As y, predictive means, in the targets' units.
        lower: As y, lower ends of the predictive intervals.
        upper: As y, upper ends of the predictive intervals.
        path: The PNG file to write; none where None.
        level: The probability of the intervals, to compare the coverage with.
        label: What the target is, with its unit; of each of several.
        max_examples: How many intervals the right panel shows at most.
        not_drawn: Names of further targets, which stand below the last panel.
        ax: Two axes for each target to draw into, row by row, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If lengths differ, a value is not finite, a lower end exceeds its upper, or
            there are too many targets.
    """
    targets = _by_target(y=y, mean=mean, lower=lower, upper=upper)
    each = [_predictions(level, **target) for target in targets]
    labels = _labels("label", label, len(each))
    for y, *_ in each:
        finite(y=y)
    if max_examples < 2:
        raise ValueError(f"max_examples must be at least 2, got {max_examples}; raise it.")
    height = _LEGEND + min(2.7 * len(each), _ROWS)
    with canvas(path, 7.2, height, ax) as figure:
        axes = panels(figure, ax, len(each), 2, sharey="row", width_ratios=[1, 1.6])
        rows = zip(axes[::2], axes[1::2], strict=True)
        for (left, right), arrays, name in zip(rows, each, labels, strict=True):
            _row(left, right, arrays, level, name, max_examples)
        axes[-1].set_xlabel(axes[-1].get_xlabel() + _others(not_drawn, 50))
        shared_legend(figure, ax=ax)
    return figure


def _row(
    left: Axes,
    right: Axes,
    arrays: Sequence[npt.NDArray[np.float64]],
    level: float,
    label: str,
    max_examples: int,
) -> None:
    """The two panels of a target."""
    y, mean, lower, upper = arrays
    inside = (lower <= y) & (y <= upper)
    cloud = _spread(mean, 1000)
    order = _spread(mean, max_examples)
    rank = np.arange(1.0, len(order) + 1)
    pitch = 200 / max(len(order), 75)  # points between two intervals
    ends = [mean.min(), mean.max()]
    left.plot(ends, ends, color=GREY, linestyle=":", label="target = mean")
    _targets(left, mean[cloud], y[cloud], inside[cloud])
    left.set(xlabel=f"Predictive mean{_shown(cloud, y)}", ylabel=label)
    right.vlines(rank, lower[order], upper[order], color=SKY, lw=0.75 * pitch, label=_name(level))
    right.plot(rank, mean[order], color=BLUE, label="predictive mean")
    _targets(right, rank, y[order], inside[order])
    right.set(xlabel=f"Examples, sorted by predictive mean{_shown(order, y)}")
    right.set_title(f"{100 * inside.mean():.1f} % of {len(y):,} targets in their {_name(level)}")


def _by_target(**arguments: npt.ArrayLike) -> list[dict[str, npt.NDArray[np.float64]]]:
    """The columns of `[N, D]` arguments, target by target; vectors are of one target."""
    arrays = {name: np.asarray(value, np.float64) for name, value in arguments.items()}
    widths = {name: a.shape[1] if a.ndim == 2 else 1 for name, a in arrays.items()}
    first = next(iter(arrays))
    for name, width in widths.items():
        if width != widths[first]:
            raise ValueError(
                f"{name} must have the columns of {first}, {widths[first]}, got {width}; pass one "
                "for each target."
            )
    if not 1 <= widths[first] <= MAX_TARGETS:
        raise ValueError(
            f"{first} must have 1 to {MAX_TARGETS} targets, got {widths[first]}; draw some of "
            "them, and name the others in not_drawn."
        )
    return [
        {name: a[:, d] if a.ndim == 2 else a for name, a in arrays.items()}
        for d in range(widths[first])
    ]


def _labels(name: str, label: str | Sequence[str], count: int) -> list[str]:
    if isinstance(label, str):
        return [label] if count == 1 else [f"{label} {d}" for d in range(count)]
    if len(label) != count:
        raise ValueError(
            f"{name} must be a text for each of the {count} targets, got {len(label)}; pass one "
            "for each."
        )
    return list(label)


def _others(names: Sequence[str], width: int) -> str:
    """Lines that name the targets without a panel."""
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return "\n" + textwrap.fill(f"Not drawn: {', '.join(names[:_MOST_NAMED])}{more}", width)


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
