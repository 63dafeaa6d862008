"""Whether confidence means what it says."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from bnn.figures.arrays import vectors
from bnn.figures.canvas import BLACK, BLUE, GREY, SKY, canvas, panels, shared_legend
from bnn.formatting import show


def reliability_diagram(
    confidence: npt.ArrayLike,
    accuracy: npt.ArrayLike,
    count: npt.ArrayLike,
    path: str | os.PathLike[str] | None = None,
    ece: float | None = None,
    edges: npt.ArrayLike | None = None,
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draws accuracy against confidence by bin, with 95 % intervals, above the bins' counts.

    A calibrated model lies on the diagonal. The bars are Wilson score intervals of the binomial
    proportion in each bin: a bin whose bar crosses the diagonal is compatible with calibration.

    Args:
        confidence: `[K]`, the mean confidence in each bin; not read (NaN) where the bin is empty.
        accuracy: `[K]`, the fraction of right predictions in each bin; likewise.
        count: `[K]`, the number of examples in each bin.
        path: The PNG file to write; none where None.
        ece: The expected calibration error to print, a fraction.
        edges: `[K + 1]`, the bins' edges; equal widths on [0, 1] by default.
        ax: Two axes, of the diagram and of the counts, to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If lengths differ, all bins are empty, a bin with examples has a confidence
            outside its edges or an accuracy outside [0, 1].
    """
    confidence, accuracy, count = vectors(confidence=confidence, accuracy=accuracy, count=count)
    edges = np.linspace(0, 1, len(count) + 1) if edges is None else np.asarray(edges, np.float64)
    _check(confidence, accuracy, count, edges)
    full = count > 0
    low, high = _wilson(accuracy[full], count[full])
    x, y = confidence[full], accuracy[full]
    model = "model, 95 % interval" + ("" if ece is None else f"; ECE = {show(ece, 3)}")
    with canvas(path, 3.5, 4.4, ax) as figure:
        top, bottom = panels(figure, ax, 2, 1, sharex=True, height_ratios=[3, 1])
        top.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfect calibration")
        bars = np.maximum([y - low, high - y], 0)
        top.errorbar(x, y, bars, fmt="o", color=BLUE, capsize=2.5, elinewidth=1.0, label=model)
        top.set(ylabel="Accuracy (fraction right)", ylim=(-0.03, 1.03))
        bottom.bar(edges[:-1], count, np.diff(edges), align="edge", color=SKY, ec=BLACK, lw=0.5)
        bottom.set(xlabel="Confidence", ylabel="Examples", xlim=(-0.03, 1.03))
        if count.max() > 30 * count[full].min():
            bottom.set_yscale("log")
            bottom.set(ylabel="Examples (log)", ylim=(0.7 * min(count[full].min(), 1), None))
            bottom.yaxis.set_major_locator(LogLocator(numticks=5))
            bottom.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        figure.align_ylabels([top, bottom])
        shared_legend(figure, columns=1, ax=ax)
    return figure


def _check(
    confidence: npt.NDArray[np.float64],
    accuracy: npt.NDArray[np.float64],
    count: npt.NDArray[np.float64],
    edges: npt.NDArray[np.float64],
) -> None:
    if edges.shape != (len(count) + 1,) or not np.all(np.diff(edges) >= 0):
        raise ValueError(
            f"edges must be {len(count) + 1} increasing numbers, one more than bins, got "
            f"{edges.tolist()}; pass the edges that the bins were made with."
        )
    if not np.all(count >= 0) or not np.any(count > 0):
        raise ValueError(
            f"count must hold a positive number and none below 0, got {count.tolist()}; "
            "evaluate at least one example."
        )
    tolerance = 1e-6
    for k in np.flatnonzero(count):
        if not edges[k] - tolerance <= confidence[k] <= edges[k + 1] + tolerance:
            raise ValueError(
                f"confidence must lie within its bin, [{edges[k]:g}, {edges[k + 1]:g}] for bin "
                f"{k}, got {confidence[k]:g}; pass the bins' edges if they have not equal width."
            )
        if not -tolerance <= accuracy[k] <= 1 + tolerance:
            raise ValueError(
                f"accuracy must be a fraction in [0, 1], got {accuracy[k]:g} in bin {k}; "
                "divide the number of right predictions by count."
            )


def _wilson(
    fraction: npt.NDArray[np.float64], count: npt.NDArray[np.float64], z: float = 1.959964
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns the Wilson score interval `(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)`."""
    centre = fraction + z**2 / (2 * count)
    half = z * np.sqrt(fraction * (1 - fraction) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return (centre - half) / scale, (centre + half) / scale
