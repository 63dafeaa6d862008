"""The tables of the study."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.shift.jobs import ARMS, FOREIGN, TITLES, Arm
from experiments.shift.shifts import UNITS

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
    lines = [
        _line(["model", "score", *columns, "weight samples", "seeds"]),
        _line(["---"] * (len(columns) + 4)),
    ]
    for arm in ARMS:
        runs = results.get((data, arm.name), [])
        for score, title in SCORES.items():
            if not runs or score not in runs[0]["foreign"][names[0]]:
                continue
            cells = [
                _mean(runs, lambda r, n=name, s=score, k=key: 100 * r["foreign"][n][s][k])
                for name in names
                for key in ("auroc", "aupr_out", "fpr95")
            ]
            lines.append(_line([arm.title, title, *cells, *_counts(runs)]))
    if data == "mnist":
        lines += [
            _line(
                [
                    *(f"*published: {title}*", "1 − max p", fashion, "–", "–"),
                    *(kmnist, "–", "–", samples, "not at hand"),
                ]
            )
            for title, fashion, kmnist, samples in _PUBLISHED
        ]
    return "\n".join(lines) + "\n"


def shift_table(results: Results, kind: str, metric: str) -> str:
    """A metric of MNIST by the amount of a shift; accuracy in %."""
    rows = {arm: results.get(("mnist", arm.name), []) for arm in ARMS}
    made = {
        point["amount"] for runs in rows.values() for run in runs for point in run["shifts"][kind]
    }
    amounts = [amount for amount in _SHOWN[kind] if amount in made]
    name, factor = ("accuracy, %,", 100) if metric == "accuracy" else (metric, 1)
    lines = [
        _line([f"{name} at {UNITS[kind]}", *map(str, amounts), "weight samples", "seeds"]),
        _line(["---"] * (len(amounts) + 3)),
    ]
    for arm, runs in rows.items():
        if runs:
            cells = [
                _mean(runs, lambda r, a=amount: factor * _at(r, kind, a)[metric], metric)
                for amount in amounts
            ]
            lines.append(_line([arm.title, *cells, *_counts(runs)]))
    return "\n".join(lines) + "\n"


def test_table(results: Results) -> str:
    """The metrics of the unshifted test sets."""
    keys = ("accuracy", "nll", "brier", "ece")
    lines = [
        _line(["trained on", "model", "accuracy, %", *keys[1:], "weight samples", "seeds"]),
        _line(["---"] * 8),
    ]
    for data, title in TITLES.items():
        for arm in ARMS:
            runs = results.get((data, arm.name), [])
            if runs:
                cells = [
                    _mean(
                        runs,
                        lambda r, k=key: (100 if k == "accuracy" else 1) * r["test"][k],
                        key,
                    )
                    for key in keys
                ]
                lines.append(_line([title, arm.title, *cells, *_counts(runs)]))
    return "\n".join(lines) + "\n"


def _at(result: dict[str, Any], kind: str, amount: int) -> dict[str, float]:
    [row] = [row for row in result["shifts"][kind] if row["amount"] == amount]
    return row


def _mean(
    runs: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float], metric: str = ""
) -> str:
    """Mean over seeds ± its standard error; the mean alone of one seed."""
    digits = {"accuracy": 2, "": 1}.get(metric, 4)
    values = np.array([value(run) for run in runs])
    mean = f"{values.mean():.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {values.std(ddof=1) / math.sqrt(len(values)):.{digits}f}"


def _counts(runs: Sequence[dict[str, Any]]) -> list[str]:
    samples = {run["asked"]["num_samples"] for run in runs}
    shown = ", ".join(map(str, sorted(samples)))
    return ["1 (fixed weights)" if samples == {1} else shown, str(len(runs))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def arm_titles() -> dict[str, str]:
    """Titles of the arms without Markdown, for figures."""
    return {arm.name: _plain(arm) for arm in ARMS}


def _plain(arm: Arm) -> str:
    return arm.title.replace("`", "").replace(" (Point)", "")
