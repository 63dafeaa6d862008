"""Positive numbers of a likelihood, one per target column, given or learned."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from bnn.compat import spare_from_weight_decay


def check_positive(argument: str, value: Any) -> float:
    """The value as a float; ValueError unless it is a positive finite number."""
    try:
        good = not isinstance(value, (bool, str)) and 0 < value < math.inf
    except TypeError:
        good = False
    if not good:
        raise ValueError(
            f"{argument} must be a positive finite number, got {value!r}; 1.0 is a start."
        )
    return float(value)


class PerColumn:
    """One positive number per target column, the exponential of a variable.

    Args:
      owner: name of the likelihood.
      argument: name of the constructor's argument.
      initial: the number, the start value where it is learned.
      trainable: learn it; else it stays.
      variable: name of the variable.
    """

    def __init__(
        self, owner: str, argument: str, initial: float, trainable: bool, variable: str = ""
    ) -> None:
        self.initial = check_positive(argument, initial)
        if not isinstance(trainable, bool):
            raise ValueError(f"trainable must be True or False, got {trainable!r}.")
        self.trainable = trainable
        self._owner, self._argument = owner, argument
        self._name = variable or f"log_{argument}"
        self._variable: keras.Variable | None = None

    def build(self, num_targets: int) -> None:
        """Creates the logarithms `[D]`; ValueError where they have another D."""
        if self._variable is None:
            self._variable = keras.Variable(
                keras.ops.full((int(num_targets),), math.log(self.initial)),
                dtype="float32",
                trainable=self.trainable,
                autocast=False,
                name=self._name,
            )
            spare_from_weight_decay([self._variable])
        elif self._variable.shape != (int(num_targets),):
            raise ValueError(
                f"{self._owner} was built for {self._variable.shape[0]} target columns, got "
                f"{num_targets}: it has one {self._argument} a column; make a new likelihood, or "
                "call build(num_targets) with the right number before its first use."
            )

    def require(self, num_targets: int | None) -> None:
        """Builds for the width that targets have; a fixed number serves every width."""
        if not self.trainable:
            return
        if num_targets is None:
            if self._variable is None:
                raise ValueError(
                    f"{self._owner}(trainable=True) has one {self._argument} per target column, "
                    "and the number of columns is unknown here; call build(num_targets) first."
                )
            return
        self.build(num_targets)

    @property
    def variables(self) -> list[keras.Variable]:
        """The logarithms.

        Raises:
          ValueError: they are learned and not built, so an optimizer would miss them.
        """
        if self._variable is None:
            self._require_built()
            return []
        return [self._variable]

    def value(self, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """The numbers `[D]`; a scalar where they are fixed and not built."""
        if not self.trainable:
            return tf.constant(self.initial, dtype)
        self._require_built()
        return tf.exp(tf.cast(tf.convert_to_tensor(self._variable), dtype))

    def _require_built(self) -> None:
        if self.trainable and self._variable is None:
            raise ValueError(
                f"{self._owner}(trainable=True) has no variables yet: it learns one "
                f"{self._argument} per target column; call build(num_targets) before."
            )
