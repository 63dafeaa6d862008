"""The tables of a data set: models, detection, runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnn import metrics
from bnn.formatting import with_unit
from bnn.report.document import Table
from bnn.report.groups import Group
from bnn.report.numbers import MISSING, show_estimate, show_number
from bnn.report.runs import Run
from bnn.report.statistics import mean_and_error
from bnn.report.tasks import JOINT, Column

ONE_SAMPLE = "not the model: 1 weight sample"


SCORES = {
    "max_probability": "maximum probability",
    "entropy": "entropy",
    "mutual_information": "mutual information",
}


def repetitions(group: Group) -> str:
    """`3 seeds`, `20 splits`, `20 splits, 60 runs`, `1 run`."""
    runs, count = len(group.runs), len(group.repeated("nll"))
    if runs == 1:
        return "1 run"
    word = f"{count} {'splits' if group.has_splits else 'seeds'}"
    return word if count == runs else f"{word}, {runs} runs"


def _mean(group: Group, column: Column) -> str:
    """Mean ± error of a metric, and of how many repetitions where not of all."""
    values = group.repeated(column.name)
    estimate = mean_and_error(values)
    shown = show_estimate(estimate, column.factor)
    partial = 0 < estimate.number < len(values)
    return f"{shown} ({estimate.number} of {len(values)})" if partial else shown


def summary_table(
    groups: Sequence[Group], columns: Sequence[Column], estimator: bool = True
) -> Table:
    """Mean ± standard error over seeds or splits of every model's test metrics.

    Args:
      groups: of one data set.
      columns: the metrics; those that no run has are left out.
      estimator: whether to name the estimator.
    """
    columns = _present(groups, _of_each_target(groups, columns))
    rows = []
    for group in groups:
        cells = [_mean(group, column) for column in columns]
        if not group.first.is_the_model:
            cells = [ONE_SAMPLE, *[MISSING] * (len(columns) - 1)] if columns else []
        run = group.first
        by = [run.estimator or MISSING] if estimator else []
        labels = [group.name, run.posterior, *by]
        rows.append([*labels, str(run.num_functions), repetitions(group), *cells])
    labels = ["model", "posterior", *(["estimator"] if estimator else [])]
    headings = [*labels, "weight samples S", "runs", *[column.heading for column in columns]]
    best = _best(groups, columns, first=len(labels) + 2)
    return Table(headings, rows, num_labels=len(labels), best=best)


def _of_each_target(groups: Sequence[Group], columns: Sequence[Column]) -> list[Column]:
    """The columns with their units, those of a metric with one once for each of several targets."""
    targets = list(dict.fromkeys(t for g in groups for run in g.runs for t in run.targets))
    found = []
    for column in columns:
        if not targets:  # one, or heads, whose names the metrics have before their own
            found.append(_in_unit(groups, column, column.name.rpartition("/")[0]))
        elif column.name in JOINT:
            found.append(column)
        else:
            for t in targets:
                heading = f"{column.heading}, {t}"
                each = column._replace(name=f"{column.name}/{t}", heading=heading)
                found.append(_in_unit(groups, each, t))
    return found


def _in_unit(groups: Sequence[Group], column: Column, target: str) -> Column:
    """With the target's unit in the heading, where a run knows it."""
    units = (run.unit(target) for group in groups for run in group.runs)
    unit = next(filter(None, units), "")
    return column._replace(heading=with_unit(column.heading, unit, column.power))


def _best(groups: Sequence[Group], columns: Sequence[Column], first: int) -> list[tuple[int, int]]:
    """Where the best mean of each column stands, among several models that have one."""
    marked = []
    for number, column in enumerate(columns):
        if column.distance is None:
            continue
        means = {i: mean_and_error(g.repeated(column.name)).mean for i, g in enumerate(groups)}
        means = {i: mean for i, mean in means.items() if np.isfinite(mean)}
        if len(means) > 1:
            distances = {i: column.distance(mean) for i, mean in means.items()}
            smallest = min(distances.values())
            marked += [(i, first + number) for i, d in distances.items() if d == smallest]
    return marked


def _present(groups: Sequence[Group], columns: Sequence[Column]) -> list[Column]:
    """The columns that a run has a value for; the first in any case, to say why there is none."""
    return [
        column
        for column in columns
        if column is columns[0] or any(np.isfinite(g.values(column.name)).any() for g in groups)
    ]


def detection_table(groups: Sequence[Group]) -> Table | None:
    """AUROC, AUPR and FPR95 by data set out of distribution and score; None without any."""
    rows = []
    for group in groups:
        for (other, score), found in _detections(group).items():
            estimates = [mean_and_error(values) for values in zip(*found, strict=True)]
            cells = [show_estimate(estimate, 100.0) for estimate in estimates]
            rows.append(
                [
                    group.name,
                    group.first.posterior,
                    other,
                    SCORES.get(score, score),
                    str(group.first.num_functions),
                    repetitions(group),
                    *cells,
                ]
            )
    if not rows:
        return None
    labels = ["model", "posterior", "out of distribution", "score"]
    numbers = ["weight samples S", "runs", "AUROC, %", "AUPR out, %", "AUPR in, %", "FPR95, %"]
    return Table([*labels, *numbers], rows, num_labels=len(labels))


def _detections(group: Group) -> dict[tuple[str, str], list[metrics.Detection]]:
    found: dict[tuple[str, str], list[metrics.Detection]] = {}
    for run in group.runs:
        test = run.predictions()
        if test is None or not run.is_the_model:
            continue
        for other, strange in run.out_of_distribution().items():
            for score, values in strange.scores.items():
                if score == "mutual_information" and run.num_samples == 1:
                    continue  # zero everywhere
                try:
                    detected = metrics.detection(test.scores[score], values)
                except (KeyError, ValueError) as damage:
                    run.note(f"{run.path}: {other} by {score} cannot be compared ({damage}).")
                    continue
                found.setdefault((other, score), []).append(detected)
    return found


def runs_table(groups: Sequence[Group]) -> Table:
    """Every run by itself."""
    task = groups[0].first.shown
    columns = _of_each_target(groups, [*task.quality, *task.calibration[:1]])
    columns = _present(groups, columns)
    varying = _varying([key for group in groups for key in group.by_repetition()])
    rows = [
        _run(group, number, key, varying, columns)
        for group in groups
        for number, key in enumerate(group.by_repetition())
    ]
    headings = ["folder", "model", "posterior", "repetition", "weight samples S"]
    headings += ["passes over the data", "training s"]
    return Table([*headings, *[column.heading for column in columns]], rows, num_labels=4)


def _varying(keys: Sequence[tuple[tuple[str, str], ...]]) -> set[str]:
    """The seed of the run, and the splits and other seeds that are not the same everywhere."""
    values: dict[str, set[str]] = {}
    for key in keys:
        for name, value in key:
            values.setdefault(name, set()).add(value)
    return {"run.seed"} | {name for name, found in values.items() if len(found) > 1}


def _run(
    group: Group,
    number: int,
    key: tuple[tuple[str, str], ...],
    varying: set[str],
    columns: Sequence[Column],
) -> list[str]:
    run: Run = group.runs[number]
    if run.is_the_model:
        values = [float(group.values(column.name)[number]) for column in columns]
        cells = [show_number(v * c.factor) for v, c in zip(values, columns, strict=True)]
    else:
        cells = [ONE_SAMPLE, *[MISSING] * (len(columns) - 1)]
    said = [f"{name.removeprefix('run.')}={value}" for name, value in key if name in varying]
    return [
        run.name,
        group.name,
        run.posterior,
        ", ".join(said) or MISSING,
        str(run.num_functions),
        show_number(run.results.get("passes_over_the_data", float("nan")), 3),
        show_number(run.results.get("seconds", {}).get("train", float("nan")), 3),
        *cells,
    ]
