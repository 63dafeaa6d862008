"""How uncertain a model is, on data like its own and on other data."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnn.figures.arrays import finite, vectors
from bnn.figures.canvas import SKY, canvas, panels, shared_legend
from bnn.figures.series import check_series, legend_columns, legend_height, style
from bnn.formatting import show

_WIDTH = 5.0


def entropy_histograms(
    entropies: Mapping[str, npt.ArrayLike],
    path: str | os.PathLike[str] | None = None,
    *,
    largest: float,
    num_bins: int = 30,
    label: str = "Predictive entropy (nats)",
    ax: Axes | None = None,
) -> Figure:
    """Draws the distribution of entropies; the first is that of the model's own test data.

    The vertical axis is the share of examples in each bin, logarithmic, so that the few sure
    examples of a strange set, and the few unsure ones of the own, are seen.

    Args:
        entropies: by name of the data, `[N]`, nats; the first one is filled.
        path: The PNG file to write; none where None.
        largest: The right end of the axis, such as log C.
        num_bins: The number of bins, equally wide.
        label: What the entropy is, with its unit.
        ax: Axes to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no set or too many, a value is not finite, or `largest` is not
            positive.
    """
    check_series("entropies", entropies)
    if not largest > 0:
        raise ValueError(f"largest must be positive, got {largest}; pass log C for C classes.")
    names = [f"{name} (n = 0,000, mean 0.000)" for name in entropies]
    with canvas(path, _WIDTH, 2.8 + legend_height(names, _WIDTH), ax) as figure:
        (axis,) = panels(figure, ax)
        for number, (name, values) in enumerate(entropies.items()):
            (checked,) = vectors(**{"entropies": values})
            finite(entropies=checked)
            inside = np.clip(checked, 0, largest)
            count, edges = np.histogram(inside, num_bins, range=(0, largest))
            look = style(number, marker=False)
            del look["marker"]
            share = count / len(checked)
            if number == 0:
                axis.stairs(share, edges, fill=True, color=SKY, alpha=0.5)
            axis.stairs(
                share,
                edges,
                label=f"{name} (n = {len(checked):,}, mean {show(checked.mean(), 3)})",
                linewidth=1.5,
                **look,
            )
        axis.set_yscale("log")
        axis.set(xlabel=label, ylabel="Share of examples (log)", xlim=(0, largest))
        shared_legend(figure, legend_columns(names, _WIDTH), ax)
    return figure
