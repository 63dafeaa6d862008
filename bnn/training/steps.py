"""Many optimisation steps in one compiled call, with the data on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

# (inputs [B, …], targets [B, …], step) -> a named tuple with loss, nll, kl and kl_by_site
LossFunction = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Any]
# steps [K] -> indices [K, B]
IndexFunction = Callable[[tf.Tensor], tf.Tensor]


class History(NamedTuple):
    """What happened at each of K steps.

    Attributes:
      loss: `[K]`, nats per example.
      nll: `[K]`, nats per example.
      kl: `[K]`, nats.
      kl_by_site: site name to `[K]`, nats.
    """

    loss: np.ndarray
    nll: np.ndarray
    kl: np.ndarray
    kl_by_site: dict[str, np.ndarray]

    @classmethod
    def of(cls, rows: np.ndarray, names: Sequence[str]) -> History:
        """From rows of loss, NLL, KL and the KL of each named site, `[K, 3 + sites]`."""
        by_site = dict(zip(names, rows[:, 3:].T, strict=True))
        return cls(rows[:, 0], rows[:, 1], rows[:, 2], by_site)


def check_num_steps(num_steps: int, steps_per_call: int) -> None:
    """Raises ValueError for a number of steps that one call cannot run."""
    if not 1 <= num_steps <= steps_per_call:
        raise ValueError(
            f"num_steps must be from 1 to steps_per_call={steps_per_call}, got {num_steps}."
        )


class TrainingSteps:
    """Runs optimisation steps n, n + 1, … as one compiled loop.

    The state is in variables; everything else a step needs is a function of its number: the batch
    through `indices`, the noise and schedules through `loss`.

    Args:
      loss: differentiable objective of a batch.
      indices: the training examples of each step.
      inputs: all training inputs, `[N, …]`.
      targets: all training targets, `[N]` or `[N, D]`.
      optimizer: Keras optimizer, built on `variables` here.
      variables: what is trained.
      steps_per_call: K, the most steps of one call; one compilation serves all shorter calls.
      jit_compile: compile with XLA; False for models with an operation that XLA lacks.
    """

    def __init__(
        self,
        loss: LossFunction,
        indices: IndexFunction,
        inputs: np.ndarray,
        targets: np.ndarray,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        *,
        steps_per_call: int = 100,
        jit_compile: bool = True,
    ) -> None:
        if steps_per_call < 1:
            raise ValueError(f"steps_per_call must be at least 1, got {steps_per_call}.")
        self._loss = loss
        self._inputs = tf.constant(inputs)
        self._targets = tf.constant(targets)
        self._optimizer = optimizer
        self._variables = list(variables)
        self.steps_per_call = int(steps_per_call)
        # Integers only, where XLA always wins: one kernel for hundreds of operations.
        self._indices = tf.function(indices, autograph=False, jit_compile=True)
        self._names: tuple[str, ...] = ()
        optimizer.build(self._variables)
        self._run = tf.function(self._loop, jit_compile=jit_compile, autograph=False)

    def __call__(self, first_step: int, num_steps: int) -> History:
        """Runs `num_steps` steps from `first_step`; at most `steps_per_call`.

        Raises:
          ValueError: for a number of steps out of range.
        """
        check_num_steps(num_steps, self.steps_per_call)
        steps = tf.range(first_step, first_step + self.steps_per_call, dtype=tf.int64)
        rows = self._run(steps, self._indices(steps), tf.constant(num_steps))
        return History.of(rows.numpy()[:num_steps], self._names)

    def batch(self, step: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Inputs and targets of one step."""
        index = self._indices(tf.constant([step], tf.int64))[0]
        return tf.gather(self._inputs, index), tf.gather(self._targets, index)

    def gradients(self, step: int) -> tuple[Any, list[tf.Tensor]]:
        """The objective's terms and the gradients of one step, eagerly, without applying them."""
        inputs, targets = self.batch(step)
        return self._gradients(inputs, targets, tf.constant(step, tf.int64))

    def _gradients(
        self, inputs: tf.Tensor, targets: tf.Tensor, step: tf.Tensor
    ) -> tuple[Any, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            terms = self._loss(inputs, targets, step)
        return terms, tape.gradient(terms.loss, self._variables)

    def _step(self, step: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        inputs, targets = tf.gather(self._inputs, index), tf.gather(self._targets, index)
        terms, gradients = self._gradients(inputs, targets, step)
        self._optimizer.apply(gradients, self._variables)
        self._names = tuple(terms.kl_by_site)
        return tf.stack([terms.loss, terms.nll, terms.kl, *terms.kl_by_site.values()])

    def _loop(self, steps: tf.Tensor, indices: tf.Tensor, num_steps: tf.Tensor) -> tf.Tensor:
        """Rows of `[K, 3 + sites]`; those from `num_steps` on stay zero."""
        rows = tf.TensorArray(tf.float32, self.steps_per_call)

        def body(i: tf.Tensor, rows: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return i + 1, rows.write(i, self._step(steps[i], indices[i]))

        _, rows = tf.while_loop(lambda i, _: i < num_steps, body, (tf.constant(0), rows))
        return rows.stack()
