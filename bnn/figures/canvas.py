"""The common look of all figures, and the way they reach the disk."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Okabe and Ito's colours, which colour-blind readers tell apart and print keeps apart in grey.
BLACK = "#000000"
GREY = "#6E6E6E"
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
SKY = "#56B4E9"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"

_DPI = 200
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": True,
    "axes.xmargin": 0.02,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.5,
    "legend.fontsize": 8.0,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
}


@contextlib.contextmanager
def canvas(path: str | os.PathLike[str], width: float, height: float) -> Iterator[Figure]:
    """Yields an empty figure of `width` by `height` inches and writes it as a PNG afterwards.

    The user's matplotlib settings have no influence, pyplot is not involved, and the file appears
    complete or not at all.

    Raises:
        FileNotFoundError: If the folder of `path` does not exist.
        ValueError: If `path` does not end in ".png".
    """
    path = Path(path)
    if path.suffix != ".png":
        raise ValueError(f"path must end in '.png', got {str(path)!r}; figures are PNG files.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {path}; create it.")
    with matplotlib.style.context(_STYLE, after_reset=True):
        layout = ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07, wspace=0.04)
        figure = Figure(figsize=(width, height), dpi=_DPI, layout=layout)
        FigureCanvasAgg(figure)
        yield figure
        beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            with beside.open("xb") as file:  # new: no link of that name is followed
                figure.savefig(file, format="png", metadata={"Software": None})
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def shared_legend(figure: Figure, columns: int | None = None) -> None:
    """Puts one legend for all panels above them, naming each label once.

    Inside a panel it would cover data sooner or later.
    """
    named = {
        label: handle
        for axis in figure.axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside upper center",
        ncols=columns or max(len(named), 1),
    )
