"""The matrix product over the last axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from bnn.operators.operator import Operator


@dataclasses.dataclass(frozen=True)
class Dense(Operator):
    """y = x w with x `[B, …, in]`, w `[in, out]`, y `[B, …, out]`."""

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Matrix product over the last axis of the inputs."""
        return keras.ops.matmul(inputs, weights)

    def input_channels(self, weight_shape: Sequence[int]) -> int:
        """The rows of w."""
        return weight_shape[0]

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """The columns of w."""
        return weight_shape[1]
