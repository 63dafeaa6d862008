"""Optimisation steps of a stack of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.training.stack import Stack
from bnn.training.steps import History

# (inputs [B, …], targets [B, …], step, member) -> terms, see `bnn.training.steps.LossFunction`
MemberLoss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, Any], Any]
# Their update of a variable depends on more than its own element: the members would mix.
_COUPLING = ("Adafactor", "Lamb", "MultiOptimizer", "Muon")


class StackedSteps:
    """Optimisation steps of all members of a stack at once, as `TrainingSteps` does for one.

    Every operation serves all members, and none mixes them: the update of member k is that of a
    training of its own with the same data order, noise and schedule, to rounding. That needs an
    optimizer that works element by element, such as SGD, RMSprop or Adam, without clipping.

    Args:
      loss: of one member's batch; `member` holds its slices of `members`.
      stack: what is trained.
      indices: steps `[T]` to the members' training examples `[T, K, B]`.
      inputs: training inputs `[K, N, …]`; rows that no index names may be padding.
      targets: training targets `[K, N, …]`.
      optimizer: Keras optimizer, built on the stack's values here.
      members: nest of arrays `[K, …]`, what else tells members apart: seeds, numbers of examples.
      steps_per_call: the most steps of one call; one compilation serves all shorter calls.
      jit_compile: compile with XLA.

    Raises:
      ValueError: an optimizer that mixes elements, or arrays without the members' axis.
    """

    def __init__(
        self,
        loss: MemberLoss,
        stack: Stack,
        indices: Callable[[tf.Tensor], tf.Tensor],
        inputs: Any,
        targets: Any,
        optimizer: keras.optimizers.Optimizer,
        *,
        members: Any = None,
        steps_per_call: int = 100,
        jit_compile: bool = True,
    ) -> None:
        if steps_per_call < 1:
            raise ValueError(f"steps_per_call must be at least 1, got {steps_per_call}.")
        _require_elementwise(optimizer)
        self._loss = loss
        self._stack = stack
        self._indices = indices
        self._members = {} if members is None else members
        named = {"inputs": inputs, "targets": targets, "members": self._members}
        for name, nest in named.items():
            for array in tf.nest.flatten(nest):
                if not np.ndim(array) or len(array) != stack.size:
                    raise ValueError(
                        f"{name} must have a first axis of the stack's {stack.size} members, got "
                        f"shape {np.shape(array)}; stack one entry per member."
                    )
        self._data = tf.nest.map_structure(tf.convert_to_tensor, (inputs, targets, self._members))
        self._optimizer = optimizer
        self.steps_per_call = int(steps_per_call)
        self._names: tuple[str, ...] = ()
        optimizer.build(stack.values)
        self._run = tf.function(self._loop, jit_compile=jit_compile, autograph=False)

    def __call__(self, first_step: int, num_steps: int) -> History:
        """Runs `num_steps` steps from `first_step`; every field of the history is `[T, K]`.

        Raises:
          ValueError: for a number of steps out of range.
          FloatingPointError: a loss that is not finite; names step and members.
        """
        if not 1 <= num_steps <= self.steps_per_call:
            raise ValueError(
                f"num_steps must be from 1 to steps_per_call={self.steps_per_call}, got "
                f"{num_steps}."
            )
        steps = tf.range(first_step, first_step + self.steps_per_call, dtype=tf.int64)
        rows = self._run(steps, self._indices(steps), self._data, tf.constant(num_steps))
        rows = rows.numpy()[:num_steps]  # [T, K, 3 + sites]
        self._require_finite(rows[..., 0], first_step)
        by_site = {name: rows[..., 3 + i] for i, name in enumerate(self._names)}
        return History(rows[..., 0], rows[..., 1], rows[..., 2], by_site)

    def _step(self, step: tf.Tensor, index: tf.Tensor, data: Any) -> tf.Tensor:
        def loss(index: tf.Tensor, data: Any) -> tuple[tf.Tensor, tf.Tensor]:
            inputs, targets, member = data
            terms = self._loss(tf.gather(inputs, index), tf.gather(targets, index), step, member)
            self._names = tuple(terms.kl_by_site)
            row = tf.stack([terms.loss, terms.nll, terms.kl, *terms.kl_by_site.values()])
            return terms.loss, row

        rows, gradients = self._stack.gradients(loss, index, data)
        self._optimizer.apply(gradients, self._stack.values)
        return rows

    def _loop(
        self, steps: tf.Tensor, indices: tf.Tensor, data: Any, num_steps: tf.Tensor
    ) -> tf.Tensor:
        """Rows `[T, K, 3 + sites]`; those from `num_steps` on stay zero."""
        rows = tf.TensorArray(tf.float32, self.steps_per_call)

        def body(i: tf.Tensor, rows: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return i + 1, rows.write(i, self._step(steps[i], indices[i], data))

        _, rows = tf.while_loop(lambda i, _: i < num_steps, body, (tf.constant(0), rows))
        return rows.stack()

    def _require_finite(self, losses: np.ndarray, first_step: int) -> None:
        bad = ~np.isfinite(losses)
        if bad.any():
            step = int(np.argmax(bad.any(axis=1)))
            members = np.flatnonzero(bad.any(axis=0)).tolist()
            raise FloatingPointError(
                f"the loss of members {members} is not finite, first at step {first_step + step}; "
                "lower the learning rate, or look for bad rows in these members' data."
            )


def _require_elementwise(optimizer: keras.optimizers.Optimizer) -> None:
    name = type(optimizer).__name__
    clipping = [c for c in ("clipnorm", "global_clipnorm") if getattr(optimizer, c, None)]
    if name in _COUPLING or clipping:
        raise ValueError(
            "the optimizer of a stack must work element by element, or its members would mix, got "
            f"{name}{' with ' + clipping[0] if clipping else ''}; use for example "
            "keras.optimizers.Adam without clipnorm (clipvalue is elementwise)."
        )
