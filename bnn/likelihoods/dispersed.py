"""What likelihoods with one learned number per target column share, such as a scale."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.likelihoods.columns import Columns
from bnn.likelihoods.learned import PerColumn


class Dispersed(Columns):
    """A likelihood with one positive number per target column, fixed or learned.

    It is created by `build(D)` or by the first targets; a later build for another D is refused.

    Attributes:
      argument: the constructor's argument that gives the number.
    """

    argument: str

    def __init__(self, number: float, trainable: bool) -> None:
        self._number = PerColumn(type(self).__name__, self.argument, number, trainable)

    def build(self, num_targets: int = 1) -> None:
        """Creates the logarithms of the numbers, `[D]`."""
        self._number.build(num_targets)

    def require_built(self, num_targets: int | None) -> None:
        """Creates learned numbers for the first targets."""
        self._number.require(num_targets)

    @property
    def variables(self) -> list[keras.Variable]:
        """The logarithms of the numbers."""
        return self._number.variables

    def dispersion(self, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """The numbers, `[D]`; a scalar where they are fixed."""
        return self._number.value(dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {self.argument: self._number.initial, "trainable": self._number.trainable}


class Counts(Columns):
    """A likelihood of the integers from 0."""

    task = "counts"
    discrete = True
    requirement = "integers of at least 0"
    remedy = "give the counts themselves, without standardising them"

    def valid(self, y: tf.Tensor) -> tf.Tensor:
        """The integers from 0."""
        return (y >= 0) & tf.equal(y, tf.floor(y)) & tf.math.is_finite(y)


class Positive(Columns):
    """A likelihood of positive numbers."""

    neutral_target = 1.0
    requirement = "positive and finite"
    remedy = "give the targets themselves, without standardising them"

    def valid(self, y: tf.Tensor) -> tf.Tensor:
        """The positive numbers."""
        return (y > 0) & tf.math.is_finite(y)
