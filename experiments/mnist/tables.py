"""The tables of the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.mnist.candidates import CANDIDATES, NUM_VALID
from experiments.mnist.cases import BEST, GOALS, PRIORS, Case
from experiments.mnist.published import PUBLISHED, SOURCES
from experiments.mnist.results import Row
from experiments.study import markdown, mean_error, samples_shown
from experiments.trained import METRICS

# Parts of the README: which rows stand together. Whole and tempered are never in one table.
PARTS: dict[str, Callable[[Case], bool]] = {
    "whole": lambda case: case.random and case.kl_weight == 1,
    "tempered": lambda case: case.random and case.kl_weight != 1,
    "fixed": lambda case: not case.random,
}


def rows_table(rows: Sequence[Row], data: str, part: str) -> str:
    """The rows of a set in a part."""
    chosen = [row for row in rows if row.case.data == data and PARTS[part](row.case)]
    prior = "prior" if part != "fixed" else "prior (penalty −ln p)"
    kl = ["KL, 10³ nats"] if part != "fixed" else []
    lines = []
    for row in chosen:
        case = row.case
        cells = [case.network, case.prior, case.estimator, f"{case.kl_weight:g}"]
        cells += [_metric(row.values[name], name) for name in METRICS]
        cells += [mean_error(row.kl / 1000, 1)] if kl and row.kl is not None else []
        lines.append([*cells, _samples(row), str(len(row.seeds))])
    head = ["network", prior, "estimator", "KL weight", "error, %", "NLL", "Brier", "ECE", *kl]
    return markdown([*head, "weight samples", "seeds"], lines, 4)


def published_table(data: str) -> str:
    """The published rows of a set."""
    lines = [
        [
            *(row.network, row.method, f"{row.error:g}", f"{row.nll:.4g}"),
            *("–" if row.ece is None else f"{row.ece:g}", row.samples, SOURCES[row.source]),
        ]
        for row in PUBLISHED
        if row.set == data
    ]
    head = ["network", "method", "error, %", "NLL", "ECE", "weight samples", "source"]
    return markdown(head, lines, 2)


def goals_table(rows: Sequence[Row]) -> str:
    """What was to be shown, and whether the means over seeds show it."""
    found = {row.case.name: row for row in rows}
    lines = []
    for goal in GOALS:
        row = found.get(goal.case)
        if row is None:
            lines.append([goal.title, "–", "not run", "–", "not run", "–", "–"])
            continue
        lines.append(
            [
                goal.title,
                *_verdict(row.values["error"], goal.error, "error"),
                *_verdict(row.values["nll"], goal.nll, "nll"),
                *(_samples(row), str(len(row.seeds))),
            ]
        )
    head = ["", "error, % at most", "reached", "NLL at most", "reached"]
    return markdown([*head, "weight samples", "seeds"], lines, 1)


def _verdict(values: np.ndarray, bound: float, name: str) -> list[str]:
    shown = f"{100 * bound:.1f}" if name == "error" else f"{bound:.3f}"
    reached = "yes" if values.mean() <= bound else "**no**"
    return [shown, f"{reached}, {_metric(values, name)}"]


def candidates_table(validated: Mapping[str, Mapping[str, Any]]) -> str:
    """What the recipe was chosen among: validation data, one seed."""
    lines = []
    for candidate in CANDIDATES:
        if candidate.name not in validated:
            continue
        values = validated[candidate.name]
        chosen = candidate.prior == PRIORS[BEST] and candidate.warmup == 0.8
        title = f"**{candidate.prior.title}**" if chosen else candidate.prior.title
        lines.append(
            [
                *(title, f"{candidate.warmup:g}", str(candidate.epochs), "1"),
                *(f"{100 * values['error']:.2f}", f"{values['nll']:.4f}"),
                *(str(values["asked"]["num_samples"]), f"{values['bound']:.3f}"),
            ]
        )
    where = f"{NUM_VALID:,} validation images"
    head = ["prior", "warm-up", "epochs", "KL weight", f"error on {where}, %", "NLL on them"]
    return markdown([*head, "weight samples", "−ELBO, nats per training image"], lines, 1)


def pruning_table(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Test error and NLL by the share of weights removed; of each title the seeds' curves."""
    lines = []
    for title, runs in curves.items():
        samples = runs[0]["asked"]["num_samples"]
        for metric, name in (("error", "error, %"), ("nll", "NLL")):
            by_share = np.array([[point[metric] for point in run["curve"]] for run in runs]).T
            lines.append(
                [
                    *(title, name, *(_metric(values, metric) for values in by_share)),
                    *(samples_shown(samples), str(len(runs))),
                ]
            )
    shares = [point["share"] for point in next(iter(curves.values()))[0]["curve"]] if curves else []
    head = ["fit", "removed", *(f"{100 * share:g} %" for share in shares)]
    return markdown([*head, "weight samples", "seeds"], lines, 2)


def _metric(values: np.ndarray, name: str) -> str:
    return mean_error(100 * values, 2) if name == "error" else mean_error(values, 4)


def _samples(row: Row) -> str:
    if row.case.random or row.num_samples == 1:
        return samples_shown(row.num_samples)
    return f"{row.num_samples} networks"
