"""The common look of all figures, and the way they reach the disk."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedFormatter

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


class _Shown(Figure):
    """A figure that a notebook shows where a cell ends with it, without pyplot."""

    def _repr_png_(self) -> bytes:
        held = io.BytesIO()
        self.savefig(held, format="png", dpi=_DPI / 2)
        return held.getvalue()


@contextlib.contextmanager
def canvas(
    path: str | os.PathLike[str] | None,
    width: float,
    height: float,
    ax: Axes | Sequence[Axes] | None = None,
) -> Iterator[Figure]:
    """Yields an empty figure of `width` by `height` inches and writes it as a PNG afterwards.

    The user's matplotlib settings have no influence, pyplot is not involved, and the file appears
    complete or not at all.

    Args:
        path: The PNG file; none is written where None.
        width: Of the figure.
        height: Of it.
        ax: Axes of the user's own to draw into; their figure is what is yielded then.

    Raises:
        FileNotFoundError: If the folder of `path` does not exist.
        ValueError: If `path` does not end in ".png".
    """
    path = None if path is None else Path(path)
    if path is not None and path.suffix != ".png":
        raise ValueError(f"path must end in '.png', got {str(path)!r}; figures are PNG files.")
    if path is not None and not path.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {path}; create it.")
    with matplotlib.style.context(_STYLE, after_reset=True):
        if ax is None:
            layout = ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07, wspace=0.04)
            figure: Figure = _Shown(figsize=(width, height), dpi=_DPI, layout=layout)
            FigureCanvasAgg(figure)
        else:
            figure = _flat(ax)[0].figure.figure  # of a subfigure the whole
        yield figure
        if path is not None:
            _write(figure, path)


def write_alike(figures: Mapping[Path, Figure]) -> None:
    """Writes figures of one kind, each panel with the axes that hold the panels of all.

    Figures with another number of panels than the first are written as they are.
    """
    drawn = list(figures.values())
    alike = [f.axes for f in drawn if len(f.axes) == len(drawn[0].axes)]
    with matplotlib.style.context(_STYLE, after_reset=True):
        for panel in zip(*alike, strict=True):
            for name in ("x", "y"):
                _share(panel, name)
        for path, figure in figures.items():
            _write(figure, path)


def _share(panel: Sequence[Axes], name: str) -> None:
    """Gives axes the widest limits of all, where they have numbers and go the same way."""
    axes = [getattr(axis, f"{name}axis") for axis in panel]
    if any(isinstance(axis.get_major_formatter(), FixedFormatter) for axis in axes):
        return  # names of sites
    if any(axis.get_scale() == "log" for axis in axes):
        for axis, one in zip(panel, axes, strict=True):
            if one.get_scale() != "log":
                getattr(axis, f"set_{name}scale")("log")
    limits = [getattr(axis, f"get_{name}lim")() for axis in panel]
    ends = min(low for low, _ in limits), max(high for _, high in limits)
    for axis in panel:
        getattr(axis, f"set_{name}lim")(*ends)


def _write(figure: Figure, path: Path) -> None:
    """Writes a PNG that is there complete or not at all."""
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("xb") as file:  # new: no link of that name is followed
            figure.savefig(file, format="png", metadata={"Software": None})
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _flat(ax: Any) -> list[Axes]:
    return list(np.ravel(np.asarray(ax, object)))


def panels(
    figure: Figure,
    ax: Axes | Sequence[Axes] | None,
    rows: int = 1,
    columns: int = 1,
    **options: Any,
) -> list[Axes]:
    """The axes to draw into, row by row: new ones of the figure, or those that were given.

    Raises:
        ValueError: If as many as there are panels were not given.
    """
    if ax is None:
        return list(figure.subplots(rows, columns, squeeze=False, **options).ravel())
    given = _flat(ax)
    if len(given) != rows * columns:
        many = f"{rows * columns} axes, one for each panel" if rows * columns > 1 else "one axes"
        raise ValueError(
            f"ax must be {many}, got {len(given)}; make them with "
            f"pyplot.subplots({rows}, {columns})."
        )
    return given


def shared_legend(
    figure: Figure,
    columns: int | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> None:
    """Puts one legend for all panels above them, naming each label once.

    Inside a panel it would cover data sooner or later. In axes of the user's own, whose
    surroundings are theirs, it is in the first of them.
    """
    axes = figure.axes if ax is None else _flat(ax)
    named = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    handles, labels = list(named.values()), list(named)
    if ax is not None:
        axes[0].legend(handles, labels)
        return
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=columns or max(len(named), 1),
    )
