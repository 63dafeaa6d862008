"""Runs that repeat one experiment, apart from seed and split."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from bnn.report.bindings import differences, identity, repetition
from bnn.report.runs import Run, metric


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Repetitions of one experiment.

    Attributes:
      name: unique within its data set: what tells it from the other groups.
      runs: at least one, by seed and split.
    """

    name: str
    runs: Sequence[Run]

    @property
    def first(self) -> Run:
        """The run of the smallest seed and split, which stands for the group in single figures."""
        return self.runs[0]

    def values(self, name: str) -> np.ndarray:
        """A test metric of every run; NaN where a run has none."""
        return np.array([metric(run, name) for run in self.runs])

    def repeated(self, name: str) -> np.ndarray:
        """A test metric of every independent repetition: each split, or else each seed.

        Seeds on one split share its test examples and training data: they count as one
        repetition of the split, with their mean, NaN where one of them has no value.
        """
        values = self.values(name)
        if not self.has_splits:
            return values
        members: dict[tuple, list[float]] = {}
        for run, value in zip(self.runs, values, strict=True):
            members.setdefault(part(run), []).append(value)
        return np.array([np.mean(found) for found in members.values()])

    def by_repetition(self) -> dict[tuple[tuple[str, str], ...], Run]:
        """The runs by seed and split."""
        return {repetition(run.bindings): run for run in self.runs}

    @property
    def has_splits(self) -> bool:
        """Whether the runs were trained or tested on different parts of the data."""
        return len({part(run) for run in self.runs}) > 1


def part(run: Run) -> tuple[tuple[str, str], ...]:
    """The part of the data that a run is trained and tested on: its repetition but for its seed."""
    return tuple(binding for binding in repetition(run.bindings) if binding[0] != "run.seed")


def group_runs(runs: Iterable[Run]) -> dict[str, list[Group]]:
    """Groups by data set, in the order of their first runs.

    Runs are one group where data set, posterior (whole KL or tempered), number of samples and all
    bindings but seed, split and trackers are equal.

    Raises:
      ValueError: two runs are the same experiment with the same seed and split.
    """
    found: dict[str, dict[tuple, list[Run]]] = {}
    for run in runs:
        key = (run.posterior, run.num_samples, identity(run.bindings))
        found.setdefault(run.data, {}).setdefault(key, []).append(run)
    return {data: _named(list(groups.values())) for data, groups in found.items()}


def _named(members: Sequence[Sequence[Run]]) -> list[Group]:
    labels = [{run.label for run in runs} for runs in members]
    named = [next(iter(found)) if len(found) == 1 else "" for found in labels]
    others = [
        dict(identity(runs[0].bindings))
        for name, runs in zip(named, members, strict=True)
        if not name
    ]
    by_difference = iter(differences(others))
    names = [name or next(by_difference) for name in named]
    if len(set(names)) < len(names):  # the same name in two sweeps, or too little to tell by
        names = differences([dict(identity(runs[0].bindings)) for runs in members])
    groups = []
    for name, runs in zip(names, members, strict=True):
        _check_distinct(runs)
        ordered = sorted(runs, key=lambda run: [_sortable(b) for b in repetition(run.bindings)])
        groups.append(Group(name or _plain_name(runs[0]), ordered))
    return groups


def _plain_name(run: Run) -> str:
    parts = (run.results.get("method"), run.results.get("estimator"))
    return ", ".join(str(part) for part in parts if part) or run.name


def _check_distinct(runs: Sequence[Run]) -> None:
    seen: dict[tuple, Run] = {}
    for run in runs:
        key = repetition(run.bindings)
        if key in seen:
            values = ", ".join(f"{name} = {value}" for name, value in key) or "no seed"
            raise ValueError(
                f"{seen[key].path} and {run.path} are the same experiment with the same "
                f"repetition ({values}); counting it twice would make the standard error too "
                "small. Name only one of them."
            )
        seen[key] = run


def _sortable(binding: tuple[str, str]) -> tuple[str, float, str]:
    name, value = binding
    try:
        return name, float(value), ""
    except ValueError:
        return name, math.inf, value
