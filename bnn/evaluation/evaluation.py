"""What the predictions of a task are judged by; each task has a file of its own."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.data import Dataset
from bnn.likelihoods import Likelihood

# Name -> array `[B, …]` of what the metrics need of each example, whatever S is.
Examples = dict[str, np.ndarray]
TASKS: dict[str, Evaluation] = {}


class Evaluation(abc.ABC):
    """The metrics of one task, in two halves: S samples are large, what is kept of them is not.

    `examples` sees the samples of a block of inputs; everything else sees the examples of all
    blocks, `[B, …]` without the samples' axis. Among them are `targets`, the losses `loss/<name>`
    and the uncertainty scores `score/<name>`, `[B]` each, which a run records example by example.

    Attributes:
      task: of `bnn.data.Dataset.task` and `bnn.likelihoods.Likelihood.task`.
    """

    task: str

    @abc.abstractmethod
    def samples(
        self, likelihood: Likelihood, outputs: tf.Tensor, data: Dataset | None
    ) -> dict[str, np.ndarray]:
        """What the samples say, in the target's own units: name to `[S, B, …]`.

        Args:
          likelihood: of the model.
          outputs: of the model, `[S, B, …]`.
          data: gives the target's units.
        """

    @abc.abstractmethod
    def examples(
        self, samples: Mapping[str, np.ndarray], targets: np.ndarray | None, data: Dataset | None
    ) -> Examples:
        """What is kept of each example; without targets the scores alone.

        Args:
          samples: as `samples` gives them, of one block.
          targets: of the block, as the data set holds them.
          data: gives the target's units.
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
    if likelihood.task not in TASKS:
        raise ValueError(
            f"likelihood {type(likelihood).__name__} is for {likelihood.task!r}, which has no "
            f"evaluation; there is one for {', '.join(sorted(TASKS))}. Register a "
            "bnn.evaluation.Evaluation for it."
        )
    return TASKS[likelihood.task]


def join(blocks: list[dict[str, Any]], axis: int) -> dict[str, np.ndarray]:
    """The blocks as one, along the axis of examples."""
    if len(blocks) == 1:
        return blocks[0]
    return {name: np.concatenate([b[name] for b in blocks], axis=axis) for name in blocks[0]}
