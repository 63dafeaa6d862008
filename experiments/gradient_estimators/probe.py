"""Gradient variance of a network at fixed parameters, split into data and weight noise.

For a batch b and weight noise ε, the law of total variance splits the gradient's variance into

    Var[g] = E_b[Var[g | b]] + Var_b[E[g | b]],

the weight noise, which the estimator answers for, and the choice of the batch, which it cannot
change. Two noises on every batch give both: E‖g(b, ε) − g(b, ε′)‖² / 2 is the trace of the first
term, E‖g(b, ε) − g(b′, ε″)‖² / 2 that of the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.estimators import Estimator
from bnn.objectives import NegativeELBO

SEED = 17
KINDS = ("loc", "scale")
# XLA fuses the products of very small batches with the noise, and recomputes it for every output.
_COMPILE_FROM = 32
# The running mean's memory is ten steps long.
_SETTLING = 40
_SETTLING_STEP = 1 << 30


class Moments(NamedTuple):
    """Traces over the weights of each group: layer by layer, loc before scale, `[groups]`."""

    noise: np.ndarray  # trace of the variance from the weights' noise, averaged over batches
    error: np.ndarray  # standard error of `noise`
    total: np.ndarray  # trace of the whole variance, data included
    # squared norm of the mean gradient, bias removed; may be negative where it is small
    signal: np.ndarray
    # standard error of `signal` from that of the bias removed, which is the greater part
    # where there is little signal
    signal_error: np.ndarray
    replicates: int  # number of batches, two gradients on each


class Probe:
    """Gradients of one objective with one estimator, in groups of variables.

    A large batch is evaluated in chunks with the same weight noise: noise per example depends on
    the example's position in the whole batch only (`example_offset`). This needs an objective that
    is a mean over examples, which score-function baselines are not: give those one chunk.

    Args:
      model: whose gradients.
      inputs: of the training examples, `[N, …]`.
      targets: of the training examples, `[N]`.
      objective: the loss.
      estimator: gives the estimator.
    """

    def __init__(
        self,
        model: keras.Model,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        objective: NegativeELBO,
        estimator: Callable[[], Estimator],
    ) -> None:
        self._model, self._objective, self._estimator = model, objective, estimator()
        self._inputs, self._targets = inputs, targets
        self._memory = self._estimator.baseline.variables  # created here, not in a graph
        layers = [layer for layer in model.layers if getattr(layer, "sites", ())]
        self._groups = [
            [v.value for v in layer.trainable_variables if (kind == "scale") == _is_scale(v)]
            for layer in layers
            for kind in KINDS
        ]
        self.sizes = np.array([sum(int(np.prod(v.shape)) for v in g) for g in self._groups])
        self._graph = tf.function(self._chunk, autograph=False, reduce_retracing=False)
        self._compiled = tf.function(
            self._chunk, jit_compile=True, autograph=False, reduce_retracing=False
        )

    def settle(self, batch_size: int, chunk: int, steps: int = _SETTLING) -> None:
        """Lets a baseline that remembers earlier values see some at the present parameters."""
        rng = np.random.default_rng(SEED + 1)
        for step in range(steps if self._memory else 0):
            rows = rng.integers(int(self._inputs.shape[0]), size=batch_size)
            self.gradient(rows, _SETTLING_STEP + step, chunk)

    def gradient(self, rows: np.ndarray, step: int, chunk: int, num_steps: int = 1) -> list:
        """Gradient by group for the batch `rows`, averaged over `num_steps` noises."""
        function = self._compiled if chunk >= _COMPILE_FROM else self._graph
        parts = [
            function(
                tf.constant(rows[first : first + chunk], tf.int32),
                tf.constant(step * num_steps + k, tf.int64),
                tf.constant(first, tf.int32),
            )
            for k in range(num_steps)
            for first in range(0, len(rows), chunk)
        ]
        if len(parts) == 1:
            return parts[0]
        return [tf.add_n(list(group)) / len(parts) for group in zip(*parts, strict=True)]

    def _chunk(self, rows: tf.Tensor, step: tf.Tensor, offset: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            terms = self._objective(
                self._model,
                tf.gather(self._inputs, rows),
                tf.gather(self._targets, rows),
                estimator=self._estimator,
                seed=SEED,
                step=step,
                example_offset=offset,
            )
        gradients = tape.gradient(terms.loss, self._groups, unconnected_gradients="zero")
        return [tf.concat([tf.reshape(g, [-1]) for g in group], axis=0) for group in gradients]

    def moments(
        self, batch_size: int, replicates: int, chunk: int, num_steps: int = 1, seed: int = SEED
    ) -> Moments:
        """Variance and signal over `replicates` random batches; the batches depend on seed only."""
        rng = np.random.default_rng(seed)
        num_train = int(self._inputs.shape[0])
        within, between = [], []
        before = total = [tf.zeros([size]) for size in self.sizes]
        for replicate in range(replicates):
            rows = rng.integers(num_train, size=batch_size)
            one, two = (self.gradient(rows, 2 * replicate + k, chunk, num_steps) for k in range(2))
            distances, total = _compare(one, two, before, total)
            within.append(distances[0])
            between.append(distances[1])
            before = two
        noise, whole = (np.float64(parts) for parts in (within, between[1:]))
        error = noise.std(axis=0, ddof=1) / np.sqrt(replicates)
        # Neighbouring differences share a gradient: at most twice the variance of independent ones.
        whole_error = whole.std(axis=0, ddof=1) * np.sqrt(2 / len(whole))
        noise, whole = noise.mean(axis=0), whole.mean(axis=0)
        squared = np.array([float(tf.reduce_sum(tf.square(t / replicates))) for t in total])
        signal = squared - (whole - noise / 2) / replicates
        return Moments(noise, error, whole, signal, whole_error / replicates, replicates)


@tf.function(jit_compile=True, autograph=False, reduce_retracing=False)
def _compare(
    one: list[tf.Tensor], two: list[tf.Tensor], before: list[tf.Tensor], total: list[tf.Tensor]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """‖one − two‖² / 2 and ‖one − before‖² / 2 by group, and the sum of all means so far."""
    distances = [
        [tf.reduce_sum(tf.math.squared_difference(a, b)) / 2 for a, b in zip(one, x, strict=True)]
        for x in (two, before)
    ]
    added = [t + (a + b) / 2 for t, a, b in zip(total, one, two, strict=True)]
    return tf.stack(distances), added


def _is_scale(variable: keras.Variable) -> bool:
    return "unconstrained_scale" in variable.name
