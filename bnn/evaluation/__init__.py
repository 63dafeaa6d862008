"""What predictions are worth: metrics by task, each task in a file of its own."""

from __future__ import annotations

from typing import Any

from bnn.data import Dataset
from bnn.evaluation import (  # noqa: F401  (register themselves)
    classification,
    counts,
    heads,
    multilabel,
    positions,
    regression,
    survival,
)
from bnn.evaluation.blocks import Judged, judge, judged, most_samples
from bnn.evaluation.evaluation import Block, Evaluation, Examples, evaluation_of, register
from bnn.likelihoods import Likelihood


def evaluate(likelihood: Likelihood, samples: Any, targets: Any, data: Dataset) -> dict[str, float]:
    """Metrics of the predictive mixture of all samples, by name; see the task's `Evaluation`.

    Args:
      likelihood: of the model's task.
      samples: model outputs `[S, B, …]`, or a structure of them.
      targets: as the data set holds them: `[B]` labels, `[B, D]` standardised targets, ….
      data: gives the target's units.
    """
    examples = judged(likelihood, samples, targets, data).examples
    return evaluation_of(likelihood).metrics(examples)


def headline(likelihood: Likelihood, samples: Any, targets: Any, data: Dataset) -> dict[str, float]:
    """The two or three of `evaluate`'s metrics that a learning curve shows, and no others."""
    evaluation = evaluation_of(likelihood)
    block = evaluation.block(likelihood, samples, targets, data.scaling.targets, brief=True)
    return evaluation.headline(block.examples)


__all__ = [
    "Block",
    "Evaluation",
    "Examples",
    "Judged",
    "evaluate",
    "evaluation_of",
    "headline",
    "judge",
    "judged",
    "most_samples",
    "register",
]
