"""The runs of two models in pairs, and what their differences show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bnn.formatting import with_unit
from bnn.report.groups import Group, part
from bnn.report.runs import Run, metric
from bnn.report.statistics import Difference, paired_bootstrap, paired_t
from bnn.report.tasks import Loss
from bnn.runs.prediction_file import Predictions

Pairs = Sequence[tuple[Run, Run]]
Strata = list[tuple[np.ndarray, np.ndarray]]


class Measured(NamedTuple):
    """What two models lost on the examples that they were tested on.

    Attributes:
      losses: by name, `[R, B]` of both models, one entry for each test set.
      rows: identities of the examples of each test set; None where several test sets may share
        examples that nothing tells.
    """

    losses: dict[str, Strata]
    rows: list[np.ndarray] | None


def losses_of(run: Run) -> list[Loss]:
    """What is compared: of several targets each by itself, but for their joint likelihood."""
    found: list[Loss] = []
    for loss in run.shown.losses:
        if not run.targets or loss.metric in run.test:
            heading = with_unit(loss.heading, run.unit(), loss.power)
            found.append(loss._replace(heading=heading))
            continue
        for target in run.targets:
            found.append(
                loss._replace(
                    metric=f"{loss.metric}/{target}",
                    loss=f"{loss.loss}/{target}",
                    heading=with_unit(f"{loss.heading}, {target}", run.unit(target), loss.power),
                )
            )
    return found


def pair_runs(first: Group, second: Group) -> list[tuple[Run, Run]]:
    """The runs of both groups with the same seed and split."""
    others = second.by_repetition()
    return [(run, others[key]) for key, run in first.by_repetition().items() if key in others]


def over_examples(measured: Measured, loss: Loss) -> Difference | None:
    """The bootstrap over test examples; None without finite losses of each, or without rows."""
    strata = measured.losses.get(loss.loss)
    if not strata or not all(np.isfinite(a).all() and np.isfinite(b).all() for a, b in strata):
        return None
    if measured.rows is None:
        return None
    return paired_bootstrap(strata, transform=loss.transform, rows=measured.rows)


def over_runs(
    pairs: Pairs, loss: Loss, splits: bool
) -> tuple[Difference | None, Difference | None]:
    """The t interval over runs, corrected for splits, and the plain one; None for one pair."""
    values = np.array(_by_part(pairs, loss.metric) if splits else _metrics(pairs, loss.metric))
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) < 2 or not np.isfinite(values).all():
        return None, None
    first, second = values.T
    plain = paired_t(first, second)
    if not splits:
        return plain, plain
    sizes = pairs[0][0].results
    if not {"num_test", "num_train"} <= set(sizes) or not sizes["num_train"]:
        return plain, plain
    return paired_t(first, second, overlap=sizes["num_test"] / sizes["num_train"]), plain


def not_finite(pairs: Pairs, loss: Loss) -> tuple[int, int]:
    """In how many pairs the metric of the first and of the second model is infinite or NaN."""
    first, second = (
        sum(loss.metric in run.test and not np.isfinite(metric(run, loss.metric)) for run in runs)
        for runs in zip(*pairs, strict=True)
    )
    return first, second


def _metrics(pairs: Pairs, name: str) -> list[list[float]]:
    return [[metric(run, name) for run in pair] for pair in pairs]


def _by_part(pairs: Pairs, name: str) -> list[np.ndarray]:
    """The metric of both models on each split: seeds on one split are not independent of it."""
    found: dict[tuple, list[list[float]]] = {}
    for (run, _), values in zip(pairs, _metrics(pairs, name), strict=True):
        found.setdefault(part(run), []).append(values)
    return [np.mean(values, axis=0) for values in found.values()]


def losses_by_test_set(pairs: Pairs, names: Sequence[str]) -> Measured:
    """The losses of both models by name, and which examples they are of.

    Raises:
      ValueError: two runs of one seed and split were tested on different examples.
    """
    found: dict[bytes, list[tuple[Predictions, Predictions]]] = {}
    for run, other in pairs:
        first, second = run.predictions(), other.predictions()
        if first is None or second is None:
            return Measured({}, None)
        if not _same_examples(first, second):
            raise ValueError(
                f"{run.path} and {other.path} are both of data set {run.data!r}, seed and split, "
                f"but were tested on different examples ({_shape(first.targets)} and "
                f"{_shape(second.targets)} targets); compare runs on the same data, or "
                "report each by itself: what else is predicted from one file is another data set, "
                "which csv.name tells apart."
            )
        rows = b"" if first.rows is None else first.rows.tobytes()
        found.setdefault(rows + first.targets.tobytes(), []).append((first, second))
    losses = {
        name: [
            (
                np.stack([a.losses[name] for a, _ in both]),
                np.stack([b.losses[name] for _, b in both]),
            )
            for both in found.values()
        ]
        for name in names
        if all(name in each.losses for both in found.values() for pair in both for each in pair)
    }
    return Measured(losses, _rows([both[0][0] for both in found.values()]))


def _same_examples(first: Predictions, second: Predictions) -> bool:
    if first.rows is None or second.rows is None:
        return np.array_equal(first.targets, second.targets)
    return np.array_equal(first.targets, second.targets) and np.array_equal(first.rows, second.rows)


def _rows(test_sets: Sequence[Predictions]) -> list[np.ndarray] | None:
    if len(test_sets) == 1:
        rows = test_sets[0].rows
        return [np.arange(test_sets[0].num_examples) if rows is None else rows]
    rows_of_all = [each.rows for each in test_sets if each.rows is not None]
    if len(rows_of_all) < len(test_sets):
        return None
    # Numbers that name different examples in different splits identify nothing.
    numbers = np.concatenate(rows_of_all)
    targets = np.concatenate([each.targets.reshape(len(each.targets), -1) for each in test_sets])
    _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    return rows_of_all if np.array_equal(targets, targets[first][place]) else None


def _shape(targets: np.ndarray) -> str:
    return " × ".join(map(str, targets.shape))
