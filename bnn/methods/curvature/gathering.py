"""Passes over the training examples, most often one: the curvature and the fit at the mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
      passes: passes of examples through the model, `Structure.gradients` of each.
    """

    total: Any
    log_likelihood: tf.Tensor
    examples: float
    targets: float
    passes: int


def gather(structure: Structure, problem: Problem, batches: Batches) -> Gathered:
    """Sums the shares of blocks of examples, as often as the structure wants them.

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
    structure.begin(problem.seed)
    passes = 0
    while True:
        found = _one_pass(structure, problem, batches, compiled)
        passes += found.passes
        if not bool(tf.math.is_finite(found.log_likelihood)):
            raise ValueError(
                "the log-likelihood at the mode must be finite for a Laplace approximation, got "
                f"{float(found.log_likelihood)}; look for NaN or targets outside of the support."
            )
        if not structure.more(found.total):
            return found._replace(passes=passes)


def _one_pass(
    structure: Structure, problem: Problem, batches: Batches, compiled: Callable[..., Any]
) -> Gathered:
    """What all examples say once."""
    total: Any = None
    log_likelihood, examples = tf.constant(0.0, tf.float64), 0.0
    passes = columns = size = 0
    for batch in batches.full():
        if not columns:
            first = tf.nest.map_structure(lambda x: x[:1], batch.inputs)
            columns = outputs_of(problem.model, first).shape[1]
            size = rows_a_block(structure.width(columns, problem.model, first))
        for piece in _pieces(batch, size):
            share, fit, weight = compiled(piece)
            log_likelihood += fit
            examples += float(weight)
            number = tf.nest.flatten(piece.inputs)[0].shape[0]
            passes += structure.gradients(columns) * number
            total = share if total is None else tf.nest.map_structure(tf.add, total, share)
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
