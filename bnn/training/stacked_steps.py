"""Steps of a stack of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.data import Batch, Batches
from bnn.noise import Noise
from bnn.training.stack import Stack
from bnn.training.stepper import Descent, Function, Info
from bnn.training.steps import History, TrainingSteps

# Their update of a variable depends on more than its own element: the members would mix.
_COUPLING = ("Adafactor", "Lamb", "LossScaleOptimizer", "MultiOptimizer", "Muon")


class StackedSteps(TrainingSteps):
    """Steps of all members of a stack at once, as `TrainingSteps` does for one.

    Every operation serves all members, and none mixes them: the update of member k is that of a
    training of its own with the same data order, noise and schedule, to rounding. That needs an
    optimizer that works element by element, such as SGD, RMSprop or Adam, without clipping, and
    without weight decay, which would fall on scales.

    Args:
      loss: of one member's batch and the stack's noise; `batch.member` holds what tells it apart,
        such as its seed.
      stack: what is trained.
      batches: of all members, see `bnn.data.StackedBatches`.
      optimizer: Keras optimizer, built on the stack's values here.
      seed: of the noise that the loss is called with.
      steps_per_call: the most steps of one call; one compilation serves all shorter calls.
      jit_compile: compile with XLA.

    Raises:
      ValueError: an optimizer that mixes elements or decays weights, or arrays without the
        members' axis.
    """

    def __init__(
        self,
        loss: Callable[[Batch, Noise], Info],
        stack: Stack,
        batches: Batches,
        optimizer: keras.optimizers.Optimizer,
        *,
        seed: Any = 0,
        steps_per_call: int = 100,
        jit_compile: bool = True,
    ) -> None:
        require_elementwise(optimizer)
        for name, nest in batches.resident.items():
            for array in tf.nest.flatten(nest):
                if not array.shape.rank or array.shape[0] != stack.size:
                    raise ValueError(
                        f"{name} must have a first axis of the stack's {stack.size} members, got "
                        f"shape {array.shape}; stack one entry per member."
                    )
        self._stack = stack
        super().__init__(
            Descent(loss, optimizer, stack.variables, stack.values),
            batches,
            seed,
            steps_per_call=steps_per_call,
            jit_compile=jit_compile,
        )

    def __call__(self, first_step: int, num_steps: int) -> History:
        """Runs `num_steps` steps from `first_step`; loss and metrics are `[T, K]`.

        Raises:
          ValueError: for a number of steps out of range.
          FloatingPointError: a loss that is not finite; names step and members.
        """
        history = super().__call__(first_step, num_steps)
        self._require_finite(history.loss, first_step)
        return history

    def _one(self, noise: Noise, row: Any, resident: Any) -> tf.Tensor:
        batch = Batch(row, None, member=resident)  # of all members, which `_reduce` takes apart
        return self._said(self.stepper.step(batch, noise, self._reduce))

    def _reduce(self, function: Function) -> Function:
        """The function of one member as that of all: results `[K, …]`."""

        def all_members(batch: Batch, noise: Noise) -> Any:
            def one(row: Any, resident: Any) -> Any:
                info, gradients = function(self.batches.holding(resident).batch(row), noise)
                dense = [
                    tf.zeros(variable.shape) if g is None else tf.convert_to_tensor(g)
                    for variable, g in zip(self._stack.variables, gradients, strict=True)
                ]
                return info, dense

            return self._stack.map(one, batch.inputs, batch.member)

        return all_members

    def _require_finite(self, losses: np.ndarray, first_step: int) -> None:
        bad = ~np.isfinite(losses)
        if bad.any():
            step = int(np.argmax(bad.any(axis=1)))
            members = np.flatnonzero(bad.any(axis=0)).tolist()
            raise FloatingPointError(
                f"the loss of members {members} is not finite, first at step {first_step + step}; "
                "lower the learning rate, or look for bad rows in these members' data."
            )


def require_elementwise(optimizer: keras.optimizers.Optimizer) -> None:
    """ValueError for an optimizer under which the members of a stack would mix, or decay."""
    name = type(optimizer).__name__
    clipping = [c for c in ("clipnorm", "global_clipnorm") if getattr(optimizer, c, None)]
    if name in _COUPLING or clipping:
        raise ValueError(
            "the optimizer of a stack must work element by element, or its members would mix, got "
            f"{name}{' with ' + clipping[0] if clipping else ''}; use for example "
            "keras.optimizers.Adam without clipnorm (clipvalue is elementwise)."
        )
    if optimizer.weight_decay:
        raise ValueError(
            "the optimizer of a stack must not decay weights, got weight_decay = "
            f"{optimizer.weight_decay:g}: a stack's values do not tell scales of posteriors from "
            "weights, and decay would pull ln σ to 0; leave it out: the prior decays the weights."
        )
