"""What each gradient estimator was worth while a run trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnn.figures.canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    SKY,
    VERMILION,
    canvas,
    panels,
    shared_legend,
)

_COLOURS = (BLUE, VERMILION, GREEN, BLACK, SKY, GREY)
_MARKERS = ("o", "s", "^", "D", "v", "P")
_PANELS = (("variance", "Gradient variance (trace)"), ("variance_x_seconds", "Variance × seconds"))


def has_gradient_noise(records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any record holds measurements of a gradient-noise probe."""
    return any(key.startswith("probe/") for record in records for key in record)


def gradient_noise(
    records: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str] | None = None,
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draws total gradient variance, and variance × time, of each estimator against training time.

    Args:
        records: The lines of a metrics file; those of a probe hold
            `probe/<estimator>/<group>/variance` and `…/variance_x_seconds`.
        path: The PNG file to write; none where None.
        ax: Two axes to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If no record holds a measurement.
    """
    rows = [record for record in records if has_gradient_noise([record])]
    if not rows:
        raise ValueError(
            "records must hold keys that start with 'probe/', got none; bind run.probe to record "
            "them."
        )
    names = sorted({key.split("/")[1] for key in rows[0] if key.startswith("probe/")})
    times = [row.get("epoch", row["step"]) for row in rows]
    with canvas(path, 7.0, 2.9, ax) as figure:
        axes = panels(figure, ax, 1, len(_PANELS))
        for axis, (quantity, label) in zip(axes, _PANELS, strict=True):
            for i, name in enumerate(names):
                axis.plot(
                    times,
                    [_total(row, name, quantity) for row in rows],
                    color=_COLOURS[i % len(_COLOURS)],
                    marker=_MARKERS[i % len(_MARKERS)],
                    label=name,
                )
            axis.set_yscale("log")
            axis.set_ylabel(label)
            axis.set_xlabel("Epoch" if "epoch" in rows[0] else "Step (updates)")
        shared_legend(figure, ax=ax)
    return figure


def _total(row: Mapping[str, Any], name: str, quantity: str) -> float:
    prefix, suffix = f"probe/{name}/", f"/{quantity}"
    return sum(v for k, v in row.items() if k.startswith(prefix) and k.endswith(suffix))
