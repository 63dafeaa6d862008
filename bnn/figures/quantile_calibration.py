"""Whether a regression's quantiles mean what they say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from bnn.figures.arrays import finite, vectors
from bnn.figures.canvas import GREY, canvas, panels, shared_legend
from bnn.figures.series import check_series, legend_columns, legend_height, style

_WIDTH = 7.0


def quantile_calibration(
    transforms: Mapping[str, npt.ArrayLike],
    path: str | os.PathLike[str] | None = None,
    *,
    num_bins: int = 10,
    num_targets: int | None = None,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draws observed against predicted shares below each quantile, and the PIT histogram.

    The grey bands hold 95 % of the points of a calibrated model, each level and bin by itself:
    binomial quantiles.

    Args:
        transforms: by name of the model, the predictive CDF at each target `[N]`, in [0, 1].
        path: The PNG file to write; none where None.
        num_bins: The number of bins of the histogram, equally wide.
        num_targets: The independent targets that the bands are for; those of the smallest set
            where None. Give those of one run where several are drawn together.
        ax: Two axes to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no model or too many, or a value lies outside [0, 1].
    """
    check_series("transforms", transforms)
    checked = {}
    for name, values in transforms.items():
        (transform,) = vectors(transforms=values)
        finite(transforms=transform)
        if transform.min() < 0 or transform.max() > 1:
            raise ValueError(
                f"transforms must lie in [0, 1], got {transform.min():g} to {transform.max():g} "
                f"for {name!r}; pass the CDF of the predictive at the targets."
            )
        checked[name] = np.sort(transform)
    size = num_targets or min(len(transform) for transform in checked.values())
    levels = np.linspace(0.0, 1.0, 101)
    names = ["95 % of calibrated models", *checked]
    with canvas(path, _WIDTH, 3.0 + legend_height(names, _WIDTH), ax) as figure:
        left, right = panels(figure, ax, 1, 2)
        band = stats.binom.ppf([[0.025], [0.975]], size, levels) / size
        left.fill_between(levels, *band, color=GREY, alpha=0.25, lw=0)
        left.plot([0, 1], [0, 1], color=GREY, linestyle=":")
        share = 1 / num_bins
        low, high = stats.binom.ppf([0.025, 0.975], size, share) / size / share
        right.axhspan(low, high, color=GREY, alpha=0.25, lw=0, label="95 % of calibrated models")
        right.axhline(1.0, color=GREY, linestyle=":")
        for number, (name, transform) in enumerate(checked.items()):
            observed = np.searchsorted(transform, levels, side="right") / len(transform)
            left.plot(levels, observed, label=name, markevery=10, **style(number))
            count, edges = np.histogram(transform, num_bins, range=(0, 1))
            look = style(number, marker=False)
            del look["marker"]
            right.stairs(count / len(transform) / share, edges, linewidth=1.5, **look)
        left.set(
            xlabel="Level of the predictive quantile",
            ylabel="Share of targets below",
            xlim=(0, 1),
            ylim=(0, 1),
        )
        right.set(xlabel="PIT: predictive CDF at the target", ylabel="Density (1 is calibrated)")
        right.set(xlim=(0, 1))
        right.set_ylim(bottom=0)
        shared_legend(figure, legend_columns(names, _WIDTH), ax)
    return figure
