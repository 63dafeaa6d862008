"""The one step body: gradients of the global batch, then an update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bnn.data import Batch
from bnn.noise import Noise


class Info(NamedTuple):
    """What a step says.

    Attributes:
      loss: what is minimised, or what stands for it, scalar.
      metrics: names to scalars: nll, kl, kl/<site>, acceptance …; free, and the same at every step
        of a run.
    """

    loss: Any
    metrics: dict[str, Any]


# (batch, noise) -> a nest of tensors
Function = Callable[[Batch, Noise], Any]
# A function of one replica's share -> the function of the global batch
Reduce = Callable[[Function], Function]


def identity(function: Function) -> Function:
    """The reduction of one device, whose share is the global batch."""
    return function


class Stepper:
    """variables ← update(reduce(gradients)(batch, noise)).

    `reduce` turns the function of one share into that of the global batch: the identity on one
    device; on R replicas a pure function of the variables' values, and means over the replicas; in
    a stack of models one function of all members. So one body serves them all, and a method that
    steps otherwise reduces what it needs in the same way.
    """

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """The variables that gradients are taken of."""
        raise NotImplementedError

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The value to be minimised, differentiable in `trained`.

        Args:
          batch: one share.
          noise: of the step, the replica and the share's place in the global batch.
          training: False where the value is only looked at, so that no state changes.
        """
        raise NotImplementedError

    def update(self, gradients: Sequence[Any]) -> None:
        """Changes the variables; `gradients` as `gradients` gives them."""
        raise NotImplementedError

    def gradients(self, batch: Batch, noise: Noise) -> tuple[Info, list[Any]]:
        """What the loss says, and its gradient in each of `trained`; None where there is none."""
        values = [variable.value for variable in self.trained]  # of the scope, where one is open
        with tf.GradientTape() as tape:
            tape.watch([value for value in values if not isinstance(value, tf.Variable)])
            info = self.loss(batch, noise)
        return info, tape.gradient(info.loss, values)

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """One step; `batch` and `noise` of the share, the result of the global batch."""
        info, gradients = reduce(self.gradients)(batch, noise)
        self.update(gradients)
        return info


class Descent(Stepper):
    """variables ← optimizer(∇ loss) for any loss: what most methods do.

    Args:
      loss: of (batch, noise), differentiable.
      optimizer: Keras optimizer, built here on the variables that it changes.
      variables: what gradients are taken of.
      changed: what the gradients are applied to; `variables` where None. The values of a stack.
    """

    def __init__(
        self,
        loss: Callable[[Batch, Noise], Info],
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        changed: Sequence[keras.Variable] | None = None,
    ) -> None:
        self._loss, self._optimizer = loss, optimizer
        self._trained = list(variables)
        self._changed = self._trained if changed is None else list(changed)
        optimizer.build(self._changed)

    @property
    def trained(self) -> list[keras.Variable]:
        """The variables."""
        return self._trained

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The loss that was given."""
        del training
        return self._loss(batch, noise)

    def update(self, gradients: Sequence[Any]) -> None:
        """One step of the optimizer."""
        self._optimizer.apply(list(gradients), self._changed)
