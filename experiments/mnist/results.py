"""From the folders of runs to the numbers of a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bnn import load_predictions
from experiments.mnist.cases import Case
from experiments.trained import METRICS, scores


@dataclasses.dataclass(frozen=True)
class Row:
    """The numbers of a case over its seeds."""

    case: Case  # what was run
    # metric to its values, one by seed; `error` and the like are fractions
    values: dict[str, np.ndarray]
    num_samples: int  # weight samples of every metric
    seeds: tuple[int, ...]  # of the runs
    # KL of the fitted posterior in nats, one by seed; nothing of fixed weights
    kl: np.ndarray | None


def collect(cases: Sequence[Case], seeds: Sequence[int], root: Path) -> list[Row]:
    """A row for every case of which a run has ended, of those that have.

    Raises:
      ValueError: the runs of a case differ in the number of weight samples or the KL's weight.
    """
    rows = []
    for case in cases:
        found = {seed: case.job(seed).results(root) for seed in seeds}
        runs = {seed: results for seed, results in found.items() if results is not None}
        if runs:
            rows.append(_row(case, runs))
    return rows


def _row(case: Case, runs: dict[int, dict[str, Any]]) -> Row:
    samples = {run["num_predict_samples"] for run in runs.values()}
    weights = {run["kl_weight"] for run in runs.values()}
    if len(samples) > 1 or weights != {case.kl_weight}:
        raise ValueError(
            f"the runs of {case.name} must have one number of weight samples and the KL weight "
            f"{case.kl_weight:g}, got {sorted(samples)} and {sorted(weights)}; delete those that "
            "do not belong."
        )
    return Row(
        case=case,
        values={name: np.array([run["test"][name] for run in runs.values()]) for name in METRICS},
        num_samples=samples.pop() if case.random else 1,
        seeds=tuple(runs),
        kl=np.array([run["kl"]["total"] for run in runs.values()]) if case.random else None,
    )


def ensemble(row: Row, root: Path) -> Row | None:
    """The mixture of the predictions of a case's seeds, a deep ensemble; None of a single seed.

    p(y | x) = (1/K) Σₖ p(y | x, wₖ), wₖ the MAP estimate from seed k (Lakshminarayanan et al. 2017,
    without adversarial training).
    """
    if len(row.seeds) < 2:
        return None
    members = [
        load_predictions(root / row.case.job(seed).name / "predictions" / "test.npz")
        for seed in row.seeds
    ]
    log_probs = np.concatenate([member.log_probs[:1] for member in members])  # type: ignore[index]
    labels = members[0].targets
    return Row(
        case=dataclasses.replace(row.case, estimator=f"deep ensemble of {len(members)} MAP fits"),
        values={name: np.array([value]) for name, value in scores(log_probs, labels).items()},
        num_samples=len(members),
        seeds=row.seeds,
        kl=None,
    )
