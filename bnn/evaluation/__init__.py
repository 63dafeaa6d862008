"""What predictions are worth: metrics by task, each task in a file of its own."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.data import Dataset
from bnn.evaluation import classification, regression  # noqa: F401  (register themselves)
from bnn.evaluation.blocks import Judged, judge, judged
from bnn.evaluation.evaluation import Evaluation, Examples, evaluation_of, register
from bnn.likelihoods import Likelihood


def evaluate(
    likelihood: Likelihood, samples: tf.Tensor, targets: np.ndarray, data: Dataset
) -> dict[str, float]:
    """Metrics of the predictive mixture of all samples, by name; see the task's `Evaluation`.

    Args:
      likelihood: of the model's task.
      samples: model outputs `[S, B, …]`.
      targets: `[B]` labels or `[B, D]` standardised targets.
      data: gives the target's units.
    """
    examples = judged(likelihood, samples, targets, data).examples
    return evaluation_of(likelihood).metrics(examples)


def headline(
    likelihood: Likelihood, samples: tf.Tensor, targets: np.ndarray, data: Dataset
) -> dict[str, float]:
    """The two or three of `evaluate`'s metrics that a learning curve shows, and no others."""
    examples = judged(likelihood, samples, targets, data).examples
    return evaluation_of(likelihood).headline(examples)


__all__ = [
    "Evaluation",
    "Examples",
    "Judged",
    "evaluate",
    "evaluation_of",
    "headline",
    "judge",
    "judged",
    "register",
]
