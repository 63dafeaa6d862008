"""How several groups of runs learned, side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnn.figures.canvas import canvas, panels, shared_legend
from bnn.figures.series import check_series, legend_columns, legend_height, sparse_markers, style
from bnn.formatting import quality_of_target

Records = Sequence[Mapping[str, Any]]
# The objective of a regression sees standardised targets: another zero than the validation's.
_OF_THE_OBJECTIVE, _OF_OWN_UNITS = "nats, standardised targets", "nats, target units"
_NATS = "nats per example"
_PANELS = (  # key, y label
    ("nll", "Training NLL ({objective})"),
    ("valid_nll", "Validation NLL ({validation})"),
    ("loss", "Loss minimised ({objective})"),
    ("elbo", "ELBO ({objective})"),
    ("kl", "KL to the prior (nats)"),
    ("kl_weight", "KL weight (fraction)"),
    ("neg_log_prior", "−ln p(w) (nats)"),
    ("valid_accuracy", "Validation accuracy (fraction)"),
    ("accuracy", "Training accuracy (fraction)"),
    ("valid_rmse", "Validation RMSE (target units)"),
    ("rmse", "Training RMSE (target units)"),
)
_PER_ROW = 3


def learning_curves(
    groups: Mapping[str, Sequence[Records]],
    path: str | os.PathLike[str] | None = None,
    *,
    standardized: bool | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draws NLL, KL and accuracy or RMSE against training time, the mean of each group's runs.

    A band from the smallest to the largest run surrounds the mean of several. The horizontal axis
    is "epoch" where every record has one and "step" otherwise; runs of a group are compared at the
    times that all of them reported.

    Args:
        groups: by name, the lines of the metrics file of each run, as in `learning_curve`, and
            where there are "loss", "elbo" (nats per example), "kl_weight" and "neg_log_prior".
        path: The PNG file to write; none where None.
        standardized: As in `learning_curve`; the loss and the ELBO have the units of "nll".
        ax: As many axes as there are panels to draw into, in place of a new figure.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no group or too many, or no finite value of any of the keys.
    """
    check_series("groups", groups)
    everything = [record for runs in groups.values() for records in runs for record in records]
    time = "epoch" if everything and all("epoch" in record for record in everything) else "step"
    found = []
    apart = is_regression(everything) if standardized is None else standardized
    for key, label in (*_named(apart), *_of_targets(everything)):
        lines = {name: _together(runs, time, key) for name, runs in groups.items()}
        if any(len(line[0]) for line in lines.values()):
            found.append((label, lines))
    if not found:
        raise ValueError(
            "groups must hold a finite value for one of nll, kl, accuracy, rmse or their "
            f"validation, got {len(everything)} records without; train for a logged step."
        )
    rows = _rows(len(found))
    width = 0.4 + 2.4 * max(*rows, 2)
    height = 0.1 + 2.3 * len(rows) + legend_height(groups, width)
    with canvas(path, width, height, ax) as figure:
        own = _grid(figure, rows) if ax is None else ax
        for axis, (label, lines) in zip(panels(figure, own, 1, len(found)), found, strict=True):
            _panel(axis, label, lines)
            axis.set_xlabel("Epoch" if time == "epoch" else "Step (updates)")
        shared_legend(figure, legend_columns(groups, width), ax)
    return figure


def _named(apart: bool) -> list[tuple[str, str]]:
    """Key and label of every panel, with the units that the numbers have."""
    objective = _OF_THE_OBJECTIVE if apart else _NATS
    validation = _OF_OWN_UNITS if apart else _NATS
    return [
        (key, label.format(objective=objective, validation=validation)) for key, label in _PANELS
    ]


def _rows(count: int) -> list[int]:
    """How many panels stand in each row, at most three, rows as equal as can be."""
    rows = -(-count // _PER_ROW)
    return [count // rows + (row < count % rows) for row in range(rows)]


def _grid(figure: Figure, rows: Sequence[int]) -> list[Axes]:
    """Axes that fill every row, so that no place is empty."""
    columns = math.lcm(*rows)
    grid = figure.add_gridspec(len(rows), columns)
    return [
        figure.add_subplot(grid[row, i * columns // count : (i + 1) * columns // count])
        for row, count in enumerate(rows)
        for i in range(count)
    ]


def is_regression(records: Records) -> bool:
    """Whether the records are of a regression, whose training NLL is that of scaled targets."""
    names = {name.removeprefix("valid_") for record in records for name in record}
    return any(name == "rmse" or quality_of_target(name)[0] == "rmse" for name in names)


def _of_targets(records: Records) -> list[tuple[str, str]]:
    """Key and label of the RMSE, or the accuracy, of each of several targets."""
    keys = dict.fromkeys(name for record in records for name in record)
    found = []
    for part, prefix in (("Validation", "valid_"), ("Training", "")):
        for key in keys:
            metric, target = quality_of_target(key.removeprefix("valid_"))
            if metric and key.startswith("valid_") == bool(prefix):
                found.append((key, f"{part} {label_of_target(metric, target)}"))
    return found


def label_of_target(metric: str, target: str) -> str:
    """What the axis of one of several targets' quality says, without the part of the data."""
    if metric == "rmse":
        return f"RMSE of {target} (its units)"
    return f"{metric} of {target} (fraction)"


def _together(runs: Sequence[Records], time: str, key: str) -> tuple[npt.NDArray[Any], ...]:
    """Times that all runs reported `[T]`, and their values `[R, T]`."""
    series = [
        {r[time]: r[key] for r in records if r.get(key) is not None and np.isfinite(r[key])}
        for records in runs
    ]
    series = [values for values in series if values]
    if not series:
        return np.zeros(0), np.zeros((0, 0))
    times = sorted(set.intersection(*(set(values) for values in series)))
    return np.asarray(times), np.asarray([[values[t] for t in times] for values in series])


def _panel(axis: Axes, label: str, lines: Mapping[str, tuple[npt.NDArray[Any], ...]]) -> None:
    lowest, highest = np.inf, -np.inf
    for number, (name, (times, values)) in enumerate(lines.items()):
        if not len(times):
            continue
        look = style(number)
        mean = values.mean(axis=0)
        axis.plot(times, mean, label=name, markevery=sparse_markers(len(times), 8), **look)
        if len(values) > 1:
            axis.fill_between(
                times, values.min(axis=0), values.max(axis=0), color=look["color"], alpha=0.15, lw=0
            )
        lowest, highest = min(lowest, values.min()), max(highest, values.max())
    if "accuracy" not in label and lowest > 0 and highest > 20 * lowest:
        axis.set_yscale("log")
    axis.set_ylabel(label.replace(" (", "\n("))  # two lines, which the axis is long enough for
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
