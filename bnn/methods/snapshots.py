"""When iterates are averaged, at which learning rate, and which of them predictions read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from bnn.compat import innermost_optimizer, learning_rate_of
from bnn.training import Archive, Workers


class Snapshots(Archive):
    """Steps last, last − every, last − 2 every … that lie after `first`: a function is called.

    It changes variables that every checkpoint holds, so that memory does not grow with the number
    of snapshots: there are no entries.

    Args:
      collect: called after such a step, outside of the compiled steps, with the step's number.
      every: steps between two snapshots.
      first: the step after which the first may be taken.
      last: the step of the last one.
    """

    def __init__(self, collect: Callable[[int], None], every: int, first: int, last: int) -> None:
        super().__init__([], every, first)
        self.last = last
        self._collect = collect

    def next_after(self, step: int) -> int:
        """The first step after `step` at which a snapshot is taken, or one after the last."""
        begin = max(step, self.first)
        if begin >= self.last:
            return begin + self.every
        return self.last - self.every * ((self.last - begin - 1) // self.every)

    def note(self, step: int) -> None:
        """Calls the function where this is one of the steps."""
        if self.first < step <= self.last and (self.last - step) % self.every == 0:
            self._collect(step)

    def broadcast(self, workers: Workers) -> None:
        """Nothing: what was collected is in variables, which are sent with the others."""


class _Held(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule up to a step, and a constant rate from there on."""

    def __init__(self, before: Any, start: int, rate: float | None) -> None:
        self._before, self._start, self._rate = before, start, rate

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        before = self._before
        if callable(before):
            before = before(tf.minimum(step, float(self._start)))
        before = tf.cast(before, tf.float32)
        return before if self._rate is None else tf.where(step < self._start, before, self._rate)

    def get_config(self) -> dict:
        raise NotImplementedError("a held rate is described by the method that holds it.")


def hold_learning_rate(
    optimizer: keras.optimizers.Optimizer, start: int, rate: float | None
) -> None:
    """Has the optimizer's rate constant from step `start` on; before it is as it was.

    Args:
      optimizer: not built.
      start: counted in the optimizer's own steps.
      rate: from there on; what the schedule has reached where None.
    """
    inner = innermost_optimizer(optimizer)
    before = learning_rate_of(inner)
    if isinstance(before, keras.Variable):
        if rate is None:
            return
        before = float(before.numpy())
    inner.learning_rate = _Held(before, start, rate)


def in_model(model: keras.Model, variables: Sequence[keras.Variable]) -> list[int]:
    """Places of those of the variables that are the model's: predictions depend on no others."""
    own = {id(v) for v in model.variables}
    return [place for place, v in enumerate(variables) if id(v) in own]
