"""The tables of the study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.shift.jobs import ARMS, FOREIGN, TITLES
from experiments.shift.shifts import UNITS
from experiments.study import markdown, mean_error, samples_shown

# (data, arm's name) -> the results of its seeds, as `evaluate_run` gives them.
Results = dict[tuple[str, str], list[dict[str, Any]]]

SCORES = {
    "max_probability": "1 − max p",
    "entropy": "entropy",
    "mutual_information": "mutual information",
}
_SHOWN = {"rotation": (0, 15, 30, 45, 60, 90, 120, 180), "translation": (0, 2, 4, 6, 8, 10, 14)}
# Laplace Redux (Daxberger et al. 2021), LeNet on MNIST, by the maximum probability; %.
_PUBLISHED = (
    ("MAP", "98.9", "97.0", "1 (fixed weights)"),
    ("Flipout, KL × 0.1", "98.2", "97.0", "not at hand"),
    ("last-layer Laplace", "98.5", "96.6", "not at hand"),
    ("ensemble of 5", "99.2", "98.3", "5 networks"),
)


def foreign_table(results: Results, data: str) -> str:
    """AUROC, AUPR and FPR95 of telling the foreign sets from the test set, in %, by score."""
    names = FOREIGN[data]
    columns = [f"{TITLES[name]} {what}" for name in names for what in ("AUROC", "AUPR", "FPR95")]
    lines = []
    for arm in ARMS:
        runs = results.get((data, arm.name), [])
        for score, title in SCORES.items():
            if not runs or score not in runs[0]["foreign"][names[0]]:
                continue
            cells = [
                mean_error([100 * run["foreign"][name][score][key] for run in runs], 1)
                for name in names
                for key in ("auroc", "aupr_out", "fpr95")
            ]
            lines.append([arm.title, title, *cells, *_counts(runs)])
    if data == "mnist":
        lines += [
            [
                *(f"*published: {title}*", "1 − max p", fashion, "–", "–"),
                *(kmnist, "–", "–", samples, "not at hand"),
            ]
            for title, fashion, kmnist, samples in _PUBLISHED
        ]
    return markdown(["model", "score", *columns, "weight samples", "seeds"], lines)


def shift_table(results: Results, kind: str, metric: str) -> str:
    """A metric of MNIST by the amount of a shift; accuracy in %."""
    rows = {arm: results.get(("mnist", arm.name), []) for arm in ARMS}
    # The metrics by amount, a dictionary a run.
    curves = {
        arm: [{point["amount"]: point for point in run["shifts"][kind]} for run in runs]
        for arm, runs in rows.items()
    }
    made = {amount for found in curves.values() for curve in found for amount in curve}
    amounts = [amount for amount in _SHOWN[kind] if amount in made]
    lines = [
        [
            arm.title,
            *(_metric([curve[amount] for curve in curves[arm]], metric) for amount in amounts),
            *_counts(runs),
        ]
        for arm, runs in rows.items()
        if runs
    ]
    name = "accuracy, %," if metric == "accuracy" else metric
    head = [f"{name} at {UNITS[kind]}", *map(str, amounts), "weight samples", "seeds"]
    return markdown(head, lines)


def test_table(results: Results) -> str:
    """The metrics of the unshifted test sets."""
    keys = ("accuracy", "nll", "brier", "ece")
    lines = []
    for data, title in TITLES.items():
        for arm in ARMS:
            if runs := results.get((data, arm.name), []):
                cells = [_metric([run["test"] for run in runs], key) for key in keys]
                lines.append([title, arm.title, *cells, *_counts(runs)])
    head = ["trained on", "model", "accuracy, %", *keys[1:], "weight samples", "seeds"]
    return markdown(head, lines)


def _metric(values: Sequence[dict[str, float]], metric: str) -> str:
    """Mean over seeds ± its standard error, of accuracy in %."""
    if metric == "accuracy":
        return mean_error([100 * value[metric] for value in values], 2)
    return mean_error([value[metric] for value in values], 4)


def _counts(runs: Sequence[dict[str, Any]]) -> list[str]:
    samples = {run["asked"]["num_samples"] for run in runs}
    return [", ".join(map(samples_shown, sorted(samples))), str(len(runs))]
