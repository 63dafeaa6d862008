"""How a run learned: fit, complexity and quality over time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnn.figures.canvas import BLACK, BLUE, VERMILION, canvas, panels, shared_legend
from bnn.figures.learning_curves import is_regression, label_of_target
from bnn.formatting import quality_of_target

_TRAIN = {"color": BLUE, "linestyle": "-", "marker": "o"}
_VALID = {"color": VERMILION, "linestyle": "--", "marker": "s"}
_NLL = (
    ("NLL (nats per example)", (("nll", "training", _TRAIN), ("valid_nll", "validation", _VALID))),
)
# The objective of a regression sees standardised targets: the two have no axis in common.
_STANDARDISED_NLL = (
    ("Training NLL (nats, standardised targets)", (("nll", "training", _TRAIN),)),
    ("Validation NLL (nats, target units)", (("valid_nll", "validation", _VALID),)),
)
_PANELS = (  # y label, series: (key, legend, style); a panel without a series is left out
    ("KL to the prior (nats)", (("kl", "training", {**_TRAIN, "color": BLACK}),)),
    (
        "Accuracy (fraction)",
        (("accuracy", "training", _TRAIN), ("valid_accuracy", "validation", _VALID)),
    ),
    ("RMSE (target units)", (("rmse", "training", _TRAIN), ("valid_rmse", "validation", _VALID))),
)


def learning_curve(
    records: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str] | None = None,
    *,
    standardized: bool | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draws NLL, KL and, where recorded, accuracy or RMSE against training time.

    The horizontal axis is "epoch" where every record has one and "step" otherwise. Values that
    are missing or not finite are left out, so that validation may be rarer than training.

    Args:
        records: The lines of a metrics file, each with "step" and any of "epoch", "nll",
            "valid_nll" (nats per example), "kl" (nats), "accuracy", "valid_accuracy" (fractions),
            "rmse", "valid_rmse" (target units).
        path: The PNG file to write; none where None.
        standardized: Whether "nll" is of standardised targets, and so has no axis in common with
            "valid_nll", which is of targets in their own units; where None, as in a regression
            whose data bnn has loaded: where there is an RMSE.
        ax: As many axes as there are panels to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If no record has a finite value for any of these keys.
    """
    time_key = "epoch" if records and all("epoch" in record for record in records) else "step"
    apart = is_regression(records) if standardized is None else standardized
    nll = _STANDARDISED_NLL if apart else _NLL
    found = [
        (label, drawn)
        for label, series in (*nll, *_PANELS, *_of_targets(records))
        if (drawn := [(*_points(records, time_key, s[0]), s[1], s[2]) for s in series])
        and any(len(times) for times, *_ in drawn)
    ]
    if not found:
        keys = sorted({key for record in records for key in record})
        raise ValueError(
            "records must hold a finite value for one of nll, valid_nll, kl, accuracy, "
            f"valid_accuracy, rmse, valid_rmse, got {len(records)} records with keys {keys}; "
            "train for at least one logged step."
        )
    with canvas(path, 0.5 + 2.5 * max(len(found), 2), 2.8, ax) as figure:
        axes = panels(figure, ax, 1, len(found))
        for axis, (label, drawn) in zip(axes, found, strict=True):
            _panel(axis, label, [line for line in drawn if len(line[0])])
            axis.set_xlabel("Epoch" if time_key == "epoch" else "Step (updates)")
        shared_legend(figure, ax=ax)
    return figure


def _of_targets(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """A panel for the RMSE, or the accuracy, of each of several targets."""
    keys = dict.fromkeys(name.removeprefix("valid_") for record in records for name in record)
    found = []
    for key in keys:
        metric, target = quality_of_target(key)
        if metric:
            label = label_of_target(metric, target)
            series = (key, "training", _TRAIN), (f"valid_{key}", "validation", _VALID)
            found.append((label[0].upper() + label[1:], series))
    return found


def _points(
    records: Sequence[Mapping[str, Any]], time_key: str, key: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns times and values of the records that have a finite value for `key`."""
    rows = [(r[time_key], r[key]) for r in records if r.get(key) is not None]
    times, values = np.asarray(rows, np.float64).reshape(-1, 2).T
    kept = np.isfinite(values)
    return times[kept], values[kept]


def _panel(axis: Axes, label: str, lines: Sequence[tuple[Any, ...]]) -> None:
    for times, values, name, style in lines:
        sparse = len(times) <= 25
        axis.plot(times, values, label=name, **{**style, "marker": style["marker"] * sparse})
    values = np.concatenate([values for _, values, *_ in lines])
    if not label.startswith("Accuracy") and values.min() > 0 and values.max() > 20 * values.min():
        axis.set_yscale("log")
    axis.set_ylabel(label.replace(" (", "\n("))  # two lines, which the axis is long enough for
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
