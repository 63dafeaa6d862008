"""What the predictions of a task are judged by; each task has a file of its own."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bnn.data import Dataset
from bnn.likelihoods import Likelihood, Positions

# Name -> array `[B, …]` of what the metrics need of each example, whatever S is.
Examples = dict[str, np.ndarray]
TASKS: dict[str, Evaluation] = {}


class Block(NamedTuple):
    """Predictions of some inputs.

    Attributes:
      samples: what a run stores of them, name to `[S, B, …]`, in the target's own units; empty
        where the samples are of no distribution that it knows to store.
      examples: what is kept of each example.
    """

    samples: dict[str, np.ndarray]
    examples: Examples


class Evaluation(abc.ABC):
    """The metrics of one task, in two halves: S samples are large, what is kept of them is not.

    `block` sees the samples of a block of inputs; everything else sees the examples of all
    blocks, `[B, …]` without the samples' axis. Among them are `targets`, the losses `loss/<name>`
    and the uncertainty scores `score/<name>`, `[B]` each, which a run records example by example.

    Attributes:
      task: of `bnn.likelihoods.Likelihood.task`.
      target: the head that is judged, by name; "" where it is the only target.
    """

    task: str
    target: str = ""

    def of(self, likelihood: Likelihood) -> Evaluation:
        """The evaluation of this very likelihood: itself unless it consists of others."""
        del likelihood
        return self

    @abc.abstractmethod
    def block(
        self,
        likelihood: Likelihood,
        outputs: Any,
        targets: Any,
        scaling: Any,
        brief: bool = False,
    ) -> Block:
        """What a block of predictions says; without targets the scores alone.

        Args:
          likelihood: of the model.
          outputs: of the model, `[S, B, …]`, or a structure of these.
          targets: of the block, as the data set holds them; None where there are none.
          scaling: the targets' units, `bnn.data.Dataset.scaling.targets`; None where the targets
            are not scaled.
          brief: what `headline` needs is enough.
        """

    @abc.abstractmethod
    def metrics(self, examples: Examples) -> dict[str, float]:
        """All metrics of the predictive mixture, by name."""

    @abc.abstractmethod
    def headline(self, examples: Examples) -> dict[str, float]:
        """The two or three metrics that a learning curve shows."""

    @abc.abstractmethod
    def figures(self, examples: Examples, data: Dataset, folder: Path) -> dict[str, Path]:
        """Draws what shows the test set best; name of each figure to its file."""


def register(evaluation: Evaluation) -> Evaluation:
    """Adds the evaluation of a task, or puts another in its place."""
    TASKS[evaluation.task] = evaluation
    return evaluation


def evaluation_of(likelihood: Likelihood) -> Evaluation:
    """The evaluation of a likelihood's task.

    Raises:
      ValueError: none is registered.
    """
    task = "positions" if isinstance(likelihood, Positions) else likelihood.task
    if task not in TASKS:
        raise ValueError(
            f"likelihood {type(likelihood).__name__} is for {likelihood.task!r}, which has no "
            f"evaluation; there is one for {', '.join(sorted(TASKS))}. Register a "
            "bnn.evaluation.Evaluation for it."
        )
    return TASKS[task].of(likelihood)


def join(blocks: list[dict[str, Any]], axis: int) -> dict[str, np.ndarray]:
    """The blocks as one, along the axis of examples; they are emptied: nothing is held twice."""
    if len(blocks) == 1:
        return blocks[0]
    names = list(blocks[0])
    return {name: np.concatenate([b.pop(name) for b in blocks], axis=axis) for name in names}


def under(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values whose names begin with the prefix, by the rest of their names."""
    return {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}


def named(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the prefix before their names."""
    return {f"{prefix}{name}": value for name, value in values.items()}
