"""Many steps in one compiled call, on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bnn.data import Batch, Batches
from bnn.noise import Noise
from bnn.training.stepper import Info, Stepper, identity


class History(NamedTuple):
    """What happened at each of K steps.

    Attributes:
      loss: `[K]`, nats per example.
      metrics: name to `[K]`; nll in nats per example, kl and kl/<site> in nats, what else the
        method has to say.
    """

    loss: np.ndarray
    metrics: dict[str, np.ndarray]

    @classmethod
    def of(cls, rows: np.ndarray, names: Sequence[str]) -> History:
        """From rows of the loss and each named metric, `[K, 1 + metrics, …]`."""
        return cls(rows[:, 0], {name: rows[:, 1 + i] for i, name in enumerate(names)})


class TrainingSteps:
    """Runs steps n, n + 1, … as one compiled loop.

    The state is in variables; everything else a step needs is a function of its number: the batch
    through `batches`, noise and schedules through the step itself.

    Args:
      stepper: a method, or a `Descent`.
      batches: the examples of each step.
      seed: of the noise; int, or integer variable that may change between calls.
      steps_per_call: K, the most steps of one call; one compilation serves all shorter calls.
      jit_compile: compile with XLA; False for models with an operation that XLA lacks.
    """

    def __init__(
        self,
        stepper: Stepper,
        batches: Batches,
        seed: Any,
        *,
        steps_per_call: int = 100,
        jit_compile: bool = True,
    ) -> None:
        if steps_per_call < 1:
            raise ValueError(f"steps_per_call must be at least 1, got {steps_per_call}.")
        self.stepper = stepper
        self.batches = batches
        self.steps_per_call = int(steps_per_call)
        self._seed = seed
        self._resident = batches.resident
        self._names: tuple[str, ...] = ()
        self._run = tf.function(self._loop, jit_compile=jit_compile, autograph=False)

    def __call__(self, first_step: int, num_steps: int) -> History:
        """Runs `num_steps` steps from `first_step`; at most `steps_per_call`.

        Raises:
          ValueError: for a number of steps out of range.
        """
        if not 1 <= num_steps <= self.steps_per_call:
            raise ValueError(
                f"num_steps must be from 1 to steps_per_call={self.steps_per_call}, got "
                f"{num_steps}."
            )
        first, count = tf.constant(first_step, tf.int64), tf.constant(num_steps)
        values = self._run(first, self._rows(first_step, num_steps), count, self._resident)
        return History.of(values.numpy()[:num_steps], self._names)

    def gradients(self, step: int) -> tuple[Info, list[Any]]:
        """What a step says and its gradients, eagerly, without applying them."""
        position = tf.constant(step, tf.int64)
        return self.stepper.gradients(self.batches.at(step), Noise(self._seed, position))

    def _rows(self, first_step: int, num_steps: int) -> Any:
        """Of one shape, whatever the number of steps."""
        if self.batches.ahead:
            return self.batches.take(first_step, self.steps_per_call)
        missing = self.steps_per_call - num_steps
        rows = self.batches.take(first_step, num_steps)
        if not missing:
            return rows

        def pad(part: tf.Tensor) -> tf.Tensor:
            return tf.pad(part, [[0, missing], *[[0, 0]] * (part.shape.rank - 1)])

        return tf.nest.map_structure(pad, rows)

    def _loop(
        self, first_step: tf.Tensor, rows: Any, num_steps: tf.Tensor, resident: Any
    ) -> tf.Tensor:
        """Loss and metrics, `[K, 1 + metrics, …]`; rows from `num_steps` on stay zero."""
        history = tf.TensorArray(tf.float32, self.steps_per_call)
        noise = Noise(self._seed, first_step + tf.range(self.steps_per_call, dtype=tf.int64))

        def body(i: tf.Tensor, history: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            row = tf.nest.map_structure(lambda part: part[i], rows)
            return i + 1, history.write(i, self._one(noise.of_step(i), row, resident))

        _, history = tf.while_loop(lambda i, _: i < num_steps, body, (tf.constant(0), history))
        return history.stack()

    def _one(self, noise: Noise, row: Any, resident: Any) -> tf.Tensor:
        """Takes one step: its loss and metrics, `[1 + metrics]`."""
        batch: Batch = self.batches.holding(resident).batch(row)
        return self._said(self.stepper.step(batch, noise, identity))

    def _said(self, info: Info) -> tf.Tensor:
        self._names = tuple(info.metrics)
        return tf.stack([tf.cast(v, tf.float32) for v in (info.loss, *info.metrics.values())])
