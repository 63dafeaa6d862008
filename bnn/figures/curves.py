"""Curves of several models in one panel: selective prediction, and the number of samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from bnn.figures.arrays import finite, vectors
from bnn.figures.canvas import GREY, canvas, panels, shared_legend
from bnn.figures.series import check_series, legend_columns, legend_height, sparse_markers, style

_WIDTH = 5.0


def risk_coverage_curves(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    path: str | os.PathLike[str] | None = None,
    *,
    risk_label: str = "Error among the answered (fraction)",
    ax: Axes | None = None,
) -> Figure:
    """Draws the risk of the surest examples against the share of examples answered.

    The part at the left in which no curve has any risk is left out, by tenths.

    Args:
        curves: by name, the coverage `[B]` in (0, 1] and the risk `[B]`, of any number of points.
        path: The PNG file to write; none where None.
        risk_label: What the risk is, with its unit.
        ax: Axes to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no curve or too many, lengths differ, or a value is not finite.
    """
    check_series("curves", curves)
    with canvas(path, _WIDTH, 3.0 + legend_height(curves, _WIDTH), ax) as figure:
        (axis,) = panels(figure, ax)
        for number, (name, curve) in enumerate(curves.items()):
            coverage, risk = vectors(coverage=curve[0], risk=curve[1])
            finite(coverage=coverage, risk=risk)
            kept = np.unique(np.linspace(0, len(risk) - 1, 500).round().astype(int))
            axis.plot(
                coverage[kept],
                risk[kept],
                label=name,
                markevery=sparse_markers(len(kept)),
                **style(number),
            )
        axis.set(
            xlabel="Coverage (share of examples answered, surest first)",
            ylabel=risk_label.replace(" (", "\n("),
        )
        axis.set_xlim(_first_risk(axis), 1.02)
        axis.set_ylim(bottom=0)
        shared_legend(figure, legend_columns(curves, _WIDTH), ax)
    return figure


def sample_size_curves(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike, float, float]],
    path: str | os.PathLike[str] | None = None,
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draws the NLL against the number of weight samples, with its limit at the right.

    Args:
        curves: by name, the numbers of samples `[S]`, the NLL `[S]` (nats per example), and the
            limit for S → ∞ with its standard error, NaN where there is none.
        path: The PNG file to write; none where None.
        ax: Two axes, of the curves and of their limits, to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no curve or too many, or lengths differ.
    """
    check_series("curves", curves)
    with canvas(path, _WIDTH, 3.0 + legend_height(curves, _WIDTH), ax) as figure:
        left, right = panels(figure, ax, 1, 2, sharey=True, width_ratios=[6, 1])
        for number, (name, (count, nll, limit, error)) in enumerate(curves.items()):
            counts, values = vectors(count=count, nll=nll)
            shown = np.isfinite(values)
            look = style(number)
            every = [i for i, k in enumerate(counts[shown]) if _is_tick(k)]
            left.plot(counts[shown], values[shown], label=name, markevery=every, **look)
            if np.isfinite(limit):
                left.axhline(limit, color=look["color"], linewidth=0.6, linestyle=":")
                right.errorbar(
                    [number],
                    [limit],
                    [1.959964 * error],
                    fmt=look["marker"],
                    color=look["color"],
                    capsize=2.5,
                )
        drawn = np.concatenate([line.get_ydata() for line in left.lines])
        if len(drawn) and drawn.min() > 0 and drawn.max() > 3 * drawn.min():
            left.set_yscale("log")  # one sample is far off, and the rest would be a line
            left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            left.yaxis.set_major_formatter("{x:g}")
            left.yaxis.set_minor_formatter(NullFormatter())
        left.set_xscale("log", base=2)
        left.xaxis.set_major_formatter("{x:.0f}")
        left.set(xlabel="Weight samples S", ylabel="Test NLL (nats per example)")
        right.set(xlabel="S → ∞", xticks=[])
        right.set_xlim(-0.7, len(curves) - 0.3)
        right.spines["left"].set_color(GREY)
        shared_legend(figure, legend_columns(curves, _WIDTH), ax)
    return figure


def _first_risk(axis: Axes) -> float:
    """The coverage, a tenth, up to which no line has any risk."""
    starts = [1.0]
    for line in axis.lines:
        coverage, risk = (np.asarray(values, np.float64) for values in line.get_data())
        starts += list(coverage[risk > 0][:1])
    return max(0.0, np.floor(10 * min(starts) - 1e-9) / 10 - 0.1)


def _is_tick(count: float) -> bool:
    """Whether a number is a power of two."""
    return float(np.log2(count)).is_integer()
