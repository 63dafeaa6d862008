"""The runs of two models in pairs, and what their differences show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bnn.report.groups import Group, part
from bnn.report.runs import Run, metric
from bnn.report.statistics import Difference, paired_bootstrap, paired_t


class Loss(NamedTuple):
    """What is compared; lower is better.

    Attributes:
      metric: its name in the results.
      loss: of an example, whose mean it is made of; "" where it is no mean.
      heading: for tables.
      factor: of what is shown.
      transform: of the mean loss.
    """

    metric: str
    loss: str
    heading: str
    factor: float = 1.0
    transform: Callable[[np.ndarray], np.ndarray] = lambda mean: mean


LOSSES = {
    "classification": (
        Loss("nll", "nll", "NLL, nats"),
        Loss("error", "error", "error, %", 100.0),
        Loss("brier", "brier", "Brier"),
        Loss("ece", "", "ECE"),
    ),
    "regression": (
        Loss("nll", "nll", "NLL, nats"),
        Loss("rmse", "squared_error", "RMSE", 1.0, np.sqrt),
        Loss("crps", "crps", "CRPS"),
    ),
}
Pairs = Sequence[tuple[Run, Run]]


def pair_runs(first: Group, second: Group) -> list[tuple[Run, Run]]:
    """The runs of both groups with the same seed and split."""
    others = second.by_repetition()
    return [(run, others[key]) for key, run in first.by_repetition().items() if key in others]


def over_examples(
    strata: Sequence[tuple[np.ndarray, np.ndarray]] | None, loss: Loss
) -> Difference | None:
    """The bootstrap over test examples; None without finite losses of each."""
    if not strata or not all(np.isfinite(a).all() and np.isfinite(b).all() for a, b in strata):
        return None
    return paired_bootstrap(strata, transform=loss.transform)


def over_runs(
    pairs: Pairs, loss: Loss, splits: bool
) -> tuple[Difference | None, Difference | None]:
    """The t interval over runs, corrected for splits, and the plain one; None for one pair."""
    values = np.array(_by_part(pairs, loss.metric) if splits else _metrics(pairs, loss.metric))
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2:
        return None, None
    first, second = values.T
    plain = paired_t(first, second)
    if not splits:
        return plain, plain
    sizes = pairs[0][0].results
    if not {"num_test", "num_train"} <= set(sizes):
        return plain, plain
    return paired_t(first, second, overlap=sizes["num_test"] / sizes["num_train"]), plain


def _metrics(pairs: Pairs, name: str) -> list[list[float]]:
    return [[metric(run, name) for run in pair] for pair in pairs]


def _by_part(pairs: Pairs, name: str) -> list[np.ndarray]:
    """The metric of both models on each split: seeds on one split are not independent of it."""
    found: dict[tuple, list[list[float]]] = {}
    for (run, _), values in zip(pairs, _metrics(pairs, name), strict=True):
        found.setdefault(part(run), []).append(values)
    return [np.mean(values, axis=0) for values in found.values()]


def losses_by_test_set(
    pairs: Pairs, names: Sequence[str]
) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """The losses `[R, B]` of both models by name, one entry for each set of test examples."""
    by_test_set: dict[bytes, list[tuple[dict, dict]]] = {}
    for run, other in pairs:
        first, second = run.predictions(), other.predictions()
        if first is None or second is None:
            return {}
        if not np.array_equal(first.targets, second.targets):
            raise ValueError(
                f"{run.path} and {other.path} are both of data set {run.data!r}, seed and split, "
                f"but were tested on different examples ({_shape(first.targets)} and "
                f"{_shape(second.targets)} targets); compare runs on the same data."
            )
        losses = ({**first.losses}, {**second.losses})
        by_test_set.setdefault(first.targets.tobytes(), []).append(losses)
    return {
        name: [
            (np.stack([a[name] for a, _ in both]), np.stack([b[name] for _, b in both]))
            for both in by_test_set.values()
        ]
        for name in names
        if all(name in losses for both in by_test_set.values() for pair in both for losses in pair)
    }


def _shape(targets: np.ndarray) -> str:
    return " × ".join(map(str, targets.shape))
