"""Predictions of many inputs, judged block by block: memory does not grow with S times B."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bnn.data import Dataset, Examples, nests
from bnn.evaluation.evaluation import Examples as Kept
from bnn.evaluation.evaluation import evaluation_of, join
from bnn.likelihoods import Likelihood

# Bytes of the outputs of one block; metrics take a few times as much beside them.
_BLOCK = 64 * 2**20
# Samples of 32 weights on the ten classes of 10,000 images are 12.8 MB in float32; half of that in
# float16 is what `Predictions.save` writes at most.
_KEPT = 64 * 2**20
# Inputs per pass of a method's own predictions: a block is a multiple of it, so that passes of one
# length are compiled.
_PASS = 1000

# Bytes of the inputs of one block that are read from a stream.
_READ = 64 * 2**20
# Bytes of the outputs of one input, at most: a block has one input at least.
_INPUT = 4 * _BLOCK


def most_samples(num_outputs: int) -> int:
    """The largest S whose outputs of one input can be judged."""
    return max(1, _INPUT // (4 * num_outputs))


class Judged(NamedTuple):
    """Predictions of B inputs by S functions.

    Attributes:
      examples: what is kept of each input, see `bnn.evaluation.Evaluation`.
      samples: by name `[S, B, …]` in the target's own units; None where they are too large.
      num_samples: S.
    """

    examples: Kept
    samples: dict[str, np.ndarray] | None
    num_samples: int


def judge(
    predict: Callable[[Any], Any],
    likelihood: Likelihood,
    inputs: Any,
    targets: Any,
    data: Dataset | None,
    *,
    num_samples: int,
    num_outputs: int,
    store: Callable[[int, int, dict[str, np.ndarray]], None] | None = None,
) -> Judged:
    """Predicts the inputs and keeps what their evaluation needs.

    Args:
      predict: inputs `[b, …]` to outputs `[S, b, …]`, of the same functions at every call.
      likelihood: of the model.
      inputs: `[B, …]`, or a dict or tuple of these; or `bnn.data.Examples`, which are read block by
        block, so that B may be larger than memory but for some numbers of each.
      targets: as the data set holds them; None where there are none. Of no use with `Examples`,
        which have their own.
      data: gives the target's units.
      num_samples: S.
      num_outputs: numbers that the model gives for one input, for the size of a block.
      store: takes the samples of every block where all are too large to be kept in memory, with the
        place of the block's first input and B.
    """
    streamed = isinstance(inputs, Examples)
    number = len(inputs) if streamed else len(nests.first(inputs))
    size = max(1, _BLOCK // (4 * num_samples * num_outputs))
    size = min(size, _readable(inputs)) if streamed else size
    size = size - size % _PASS if size >= _PASS else size
    evaluation, scaling = evaluation_of(likelihood), scaling_of(data)
    kept: list[dict[str, np.ndarray]] | None = []  # None from the first block on: all are alike
    examples = []
    drawn = num_samples
    for first in range(0, number, size):
        if streamed:
            part, wanted, _ = inputs.take(np.arange(first, min(first + size, number)))
        else:
            block = operator.itemgetter(slice(first, first + size))
            part = nests.mapped(block, inputs)
            wanted = None if targets is None else nests.mapped(block, targets)
        outputs = predict(part)
        found = evaluation.block(likelihood, outputs, wanted, scaling)
        examples.append(found.examples)
        drawn = num_functions(outputs)  # a method may have fewer functions than asked for
        share = sum(a.size for a in found.samples.values()) * number / len(nests.first(part))
        if store is not None and 4 * share > _KEPT:
            store(first, number, found.samples)
        kept = None if kept is None or 4 * share > _KEPT else [*kept, found.samples]
    samples = join(kept, axis=1) if kept and kept[0] else None
    return Judged(join(examples, axis=0), samples, drawn)


def _readable(examples: Examples) -> int:
    """Examples of a stream that are in memory at once."""
    one = nests.leaves("", examples[0].inputs)
    return max(1, _READ // max(1, sum(np.asarray(values).nbytes for _, values in one)))


def judged(likelihood: Likelihood, outputs: Any, targets: Any, data: Dataset | None) -> Judged:
    """Outputs `[S, B, …]` that are there already, in the same form."""
    found = evaluation_of(likelihood).block(likelihood, outputs, targets, scaling_of(data))
    return Judged(found.examples, found.samples or None, num_functions(outputs))


def scaling_of(data: Dataset | None) -> Any:
    """The units of a data set's targets; None without a data set."""
    return None if data is None else data.scaling.targets


def num_functions(outputs: Any) -> int:
    """S of outputs `[S, B, …]`."""
    return int(tf.nest.flatten(outputs)[0].shape[0])
