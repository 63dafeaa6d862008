"""What each random tensor of a model costs, and how sure it is."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from bnn.figures.arrays import vectors
from bnn.figures.canvas import BLACK, BLUE, GREY, ORANGE, canvas


def site_bars(
    names: Sequence[str],
    kl: npt.ArrayLike,
    snr: npt.ArrayLike,
    path: str | os.PathLike[str],
) -> None:
    """Draws the KL and the median signal-to-noise ratio of every site, first layer on top.

    Args:
        names: `[N]`, of the sites, in the model's order.
        kl: `[N]`, nats.
        snr: `[N]`, median of |E[w]| / √Var[w]; NaN or infinite where there is none to show.
        path: The PNG file to write.

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
    with canvas(path, width=6.6, height=0.9 + 0.24 * len(costs)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_costs(left, names, costs)
        _draw_ratios(right, ratios)
        left.invert_yaxis()
        for axis in (left, right):
            axis.grid(axis="y", visible=False)


def _draw_costs(axis: Axes, names: Sequence[str], costs: np.ndarray) -> None:
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
    axis.set(xlabel="KL to the prior (nats)", yticks=rows, yticklabels=list(names))
    axis.margins(x=0.18)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _draw_ratios(axis: Axes, ratios: np.ndarray) -> None:
    """Bars of the signal-to-noise ratios that there are, on a logarithmic axis around 1."""
    rows = np.arange(len(ratios))
    shown = np.isfinite(ratios) & (ratios > 0)
    if shown.any():
        axis.barh(rows[shown], ratios[shown], color=ORANGE, ec=BLACK, lw=0.5, hatch="//")
        low, high = ratios[shown].min(), ratios[shown].max()
        axis.set_xscale("log")
        axis.set_xlim(min(low, 1.0) / 2, max(high, 1.0) * 3)
        wide = max(high, 1.0) / min(low, 1.0) > 30
        axis.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
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
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            bbox={"color": "white", "pad": 0.4},
        )
    axis.axvline(1.0, color=GREY, linestyle=":")
    axis.set_xlabel("Median signal-to-noise ratio (log)")
