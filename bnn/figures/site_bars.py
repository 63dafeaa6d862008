"""What each random tensor of a model costs, and how sure it is."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
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
    rows = np.arange(len(costs))
    with canvas(path, width=6.6, height=0.9 + 0.24 * len(costs)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        left.barh(rows, costs, color=BLUE, ec=BLACK, lw=0.5)
        for row, value in zip(rows, costs, strict=True):
            left.annotate(
                f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}",
                (max(value, 0.0), row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
        left.set(xlabel="KL to the prior (nats)", yticks=rows, yticklabels=list(names))
        left.margins(x=0.18)
        left.xaxis.set_major_locator(MaxNLocator(nbins=4))
        shown = np.isfinite(ratios) & (ratios > 0)
        if shown.any():
            right.barh(rows[shown], ratios[shown], color=ORANGE, ec=BLACK, lw=0.5, hatch="//")
            low, high = ratios[shown].min(), ratios[shown].max()
            right.set_xscale("log")
            right.set_xlim(min(low, 1.0) / 2, max(high, 1.0) * 3)
            wide = max(high, 1.0) / min(low, 1.0) > 30
            right.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
            right.xaxis.set_major_formatter("{x:g}")
            right.xaxis.set_minor_formatter(NullFormatter())
        for row in rows[~shown]:
            right.text(
                0.02,
                row,
                "no noise",
                transform=right.get_yaxis_transform(),
                va="center",
                fontsize=7,
            )
        for row, value in zip(rows[shown], ratios[shown], strict=True):
            right.annotate(
                f"{value:.2g}",
                (value, row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                bbox={"color": "white", "pad": 0.4},
            )
        right.axvline(1.0, color=GREY, linestyle=":")
        right.set_xlabel("Median signal-to-noise ratio (log)")
        left.invert_yaxis()
        for axis in (left, right):
            axis.grid(axis="y", visible=False)
