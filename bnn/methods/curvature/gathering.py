"""One pass over the training examples: the curvature and the fit at the mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from bnn.data import Batch, Batches, Dataset, ResidentBatches
from bnn.methods.curvature.blocks import outputs_of, rows_a_block
from bnn.methods.curvature.structure import Structure
from bnn.methods.problem import Problem


class Gathered(NamedTuple):
    """What all training examples say at the mode.

    Attributes:
      total: sum of `Structure.gather`.
      log_likelihood: Σ_n ln p(y_n | θ), nats.
      examples: sum of the examples' weights: N where they have none.
      targets: the same, times the number of outputs.
      passes: examples whose gradient was taken, one by column of R.
    """

    total: Any
    log_likelihood: tf.Tensor
    examples: float
    targets: float
    passes: int


def gather(structure: Structure, problem: Problem, batches: Batches) -> Gathered:
    """Sums the shares of blocks of examples, each at most 64 MB of Jacobians or one example's.

    Args:
      structure: of the curvature.
      problem: model at the mode, and likelihood.
      batches: of the training part.
    """
    model, likelihood = problem.model, problem.likelihood

    def shares(batch: Batch) -> tuple[Any, tf.Tensor, tf.Tensor]:
        outputs = outputs_of(model, batch.inputs)
        fits = tf.cast(likelihood.checked_log_prob(outputs, batch.targets), tf.float64)
        share = tf.ones_like(fits) if batch.weights is None else tf.cast(batch.weights, tf.float64)
        found = structure.gather(model, likelihood, batch.inputs, share)
        return found, tf.reduce_sum(share * fits), tf.reduce_sum(share)

    compiled = tf.function(shares, autograph=False, jit_compile=problem.jit_compile)
    total: Any = None
    log_likelihood, examples, passes, columns = tf.constant(0.0, tf.float64), 0.0, 0, 0
    for batch in batches.full():
        if not columns:
            first = tf.nest.map_structure(lambda x: x[:1], batch.inputs)
            columns = outputs_of(model, first).shape[1]
        for piece in _pieces(batch, rows_a_block(structure.width(columns))):
            share, fit, weight = compiled(piece)
            log_likelihood += fit
            examples += float(weight)
            passes += columns * tf.nest.flatten(piece.inputs)[0].shape[0]
            total = share if total is None else tf.nest.map_structure(tf.add, total, share)
    if not bool(tf.math.is_finite(log_likelihood)):
        raise ValueError(
            "the log-likelihood at the mode must be finite for a Laplace approximation, got "
            f"{float(log_likelihood)}; look for NaN or targets outside of the support."
        )
    return Gathered(total, log_likelihood, examples, examples * columns, passes)


def _pieces(batch: Batch, size: int) -> Iterator[Batch]:
    number = tf.nest.flatten(batch.inputs)[0].shape[0]
    for start in range(0, number, size):
        part = slice(start, min(start + size, number))
        inputs, targets = (
            tf.nest.map_structure(lambda x, p=part: x[p], nest)
            for nest in (batch.inputs, batch.targets)
        )
        yield Batch(inputs, targets, None if batch.weights is None else batch.weights[part])


def batches_of(data: Any, batch_size: int, seed: int) -> Batches:
    """The training examples, of whatever they were given as."""
    if isinstance(data, Batches):
        return data
    if isinstance(data, Dataset):
        return data.batches(batch_size=min(batch_size, data.num_train), seed=seed)
    if not isinstance(data, tuple) or len(data) != 2:
        raise ValueError(
            f"data must be (inputs, targets), a bnn.data.Dataset or Batches, got "
            f"{type(data).__name__}."
        )
    size = min(batch_size, len(tf.nest.flatten(data[0])[0]))
    return ResidentBatches(*data, batch_size=size, seed=seed)
