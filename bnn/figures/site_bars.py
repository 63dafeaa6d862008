"""What each random tensor of a model costs, and how sure it is."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from bnn.figures.arrays import vectors
from bnn.figures.canvas import BLACK, BLUE, GREY, ORANGE, canvas, panels


def site_bars(
    names: Sequence[str],
    kl: npt.ArrayLike,
    snr: npt.ArrayLike,
    path: str | os.PathLike[str] | None = None,
    *,
    label: str = "KL to the prior (nats)",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draws the KL and the median signal-to-noise ratio of every site, first layer on top.

    Bars of the ratio begin at 1, where mean and noise are equal. Without any ratio to show there is
    the panel of the KL alone.

    Args:
        names: `[N]`, of the sites, in the model's order.
        kl: `[N]`, nats.
        snr: `[N]`, median of |E[w]| / √Var[w]; NaN or infinite where there is none to show.
        path: The PNG file to write; none where None.
        label: What the KL is, with its unit; of points another word.
        ax: Two axes, or one where there is no ratio, to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If lengths differ, there is no site, or a KL is not finite.
    """
    costs, ratios = vectors(kl=kl, snr=snr)
    if len(names) != len(costs):
        raise ValueError(
            f"names must have the length of kl, {len(costs)}, got {len(names)}; name each site."
        )
    if not np.isfinite(costs).all():
        raise ValueError(f"kl must be finite, got {costs.tolist()}; train with a proper prior.")
    noisy = bool(np.any(np.isfinite(ratios) & (ratios > 0)))
    with canvas(path, 6.6 if noisy else 3.9, 0.9 + 0.24 * len(costs), ax) as figure:
        axes = panels(figure, ax, 1, 1 + noisy, sharey=True)
        _draw_costs(axes[0], names, costs, label)
        if noisy:
            _draw_ratios(axes[1], ratios)
        axes[0].invert_yaxis()
        for axis in axes:
            axis.grid(axis="y", visible=False)
    return figure


def _draw_costs(axis: Axes, names: Sequence[str], costs: np.ndarray, label: str) -> None:
    """Bars of the KL, each with its number."""
    rows = np.arange(len(costs))
    axis.barh(rows, costs, color=BLUE, ec=BLACK, lw=0.5)
    for row, value in zip(rows, costs, strict=True):
        axis.annotate(
            f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}",
            (max(value, 0.0), row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    axis.set(xlabel=label, yticks=rows, yticklabels=list(names))
    axis.margins(x=0.18)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _draw_ratios(axis: Axes, ratios: np.ndarray) -> None:
    """Bars of the signal-to-noise ratios that there are, on a logarithmic axis around 1."""
    rows = np.arange(len(ratios))
    shown = np.isfinite(ratios) & (ratios > 0)
    low, high = min(ratios[shown].min(), 1.0), max(ratios[shown].max(), 1.0)
    axis.set_xscale("log")
    axis.barh(rows[shown], ratios[shown] - 1, left=1.0, color=ORANGE, ec=BLACK, lw=0.5, hatch="//")
    axis.set_xlim(low / 2.5, high * 2.5)
    axis.xaxis.set_major_locator(LogLocator(subs=(1,) if high / low > 30 else (1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    for row in rows[~shown]:
        axis.text(
            0.02,
            row,
            "no noise",
            transform=axis.get_yaxis_transform(),
            va="center",
            fontsize=7,
        )
    for row, value in zip(rows[shown], ratios[shown], strict=True):
        axis.annotate(
            f"{value:.2g}",
            (value, row),
            xytext=(3 if value >= 1 else -3, 0),
            textcoords="offset points",
            ha="left" if value >= 1 else "right",
            va="center",
            fontsize=7,
            bbox={"color": "white", "pad": 0.4},
        )
    axis.axvline(1.0, color=GREY, linestyle=":")
    axis.set_xlabel("Median signal-to-noise ratio (log), from 1")
