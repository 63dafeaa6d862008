"""Predictions of many inputs, judged block by block: memory does not grow with S times B."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bnn.data import Dataset
from bnn.evaluation.evaluation import Examples, evaluation_of, join
from bnn.likelihoods import Likelihood

# Bytes of the outputs of one block; metrics take a few times as much beside them.
_BLOCK = 64 * 2**20
# Samples of 32 weights on the ten classes of 10,000 images are 12.8 MB in float32; half of that in
# float16 is what `Predictions.save` writes at most.
_KEPT = 64 * 2**20
# Inputs per pass of a method's own predictions: a block is a multiple of it, so that passes of one
# length are compiled.
_PASS = 1000


class Judged(NamedTuple):
    """Predictions of B inputs by S functions.

    Attributes:
      examples: what is kept of each input, see `bnn.evaluation.Evaluation`.
      samples: by name `[S, B, …]` in the target's own units; None where they are too large.
      num_samples: S.
    """

    examples: Examples
    samples: dict[str, np.ndarray] | None
    num_samples: int


def judge(
    predict: Callable[[np.ndarray], tf.Tensor],
    likelihood: Likelihood,
    inputs: Any,
    targets: np.ndarray | None,
    data: Dataset | None,
    *,
    num_samples: int,
    num_outputs: int,
) -> Judged:
    """Predicts the inputs and keeps what their evaluation needs.

    Args:
      predict: inputs `[b, …]` to outputs `[S, b, …]`, of the same functions at every call.
      likelihood: of the model.
      inputs: `[B, …]`.
      targets: as the data set holds them; None where there are none.
      data: gives the target's units.
      num_samples: S.
      num_outputs: numbers of one output, for the size of a block.
    """
    number = len(inputs)
    size = max(1, _BLOCK // (4 * num_samples * num_outputs))
    size = size - size % _PASS if size >= _PASS else size
    evaluation = evaluation_of(likelihood)
    kept: list[dict[str, np.ndarray]] | None = []
    examples = []
    for first in range(0, number, size):
        block = slice(first, first + size)
        samples = evaluation.samples(likelihood, predict(inputs[block]), data)
        wanted = None if targets is None else targets[block]
        examples.append(evaluation.examples(samples, wanted, data))
        if kept is not None:
            kept.append(samples)
            share = sum(a.size for a in samples.values()) * number / len(inputs[block])
            if 4 * share > _KEPT:
                kept = None
    drawn = len(next(iter(samples.values())))  # a method may have fewer functions than asked for
    return Judged(join(examples, axis=0), None if kept is None else join(kept, axis=1), drawn)


def judged(
    likelihood: Likelihood, outputs: tf.Tensor, targets: np.ndarray | None, data: Dataset | None
) -> Judged:
    """Outputs `[S, B, …]` that are there already, in the same form."""
    evaluation = evaluation_of(likelihood)
    samples = evaluation.samples(likelihood, outputs, data)
    examples = evaluation.examples(samples, targets, data)
    return Judged(examples, samples, int(outputs.shape[0]))
