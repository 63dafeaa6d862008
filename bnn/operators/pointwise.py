"""The convolution with a window of one position."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from bnn.operators.operator import Operator, channels_axis


@dataclasses.dataclass(frozen=True)
class Pointwise(Operator):
    """y = x w over the channels at every position, as a matrix product.

    x is `[B, spatial…, in]`, w `[1…, in, out]` and y `[B, spatial…, out]`; with
    `data_format="channels_first"`, which convolutions lack on the CPU, channels come second.
    """

    data_format: str

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """Axis of the channels."""
        return channels_axis(self.data_format)

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The matrix product."""
        matrix = tf.reshape(weights, weights.shape[-2:])
        if self.data_format == "channels_last":
            return keras.ops.matmul(inputs, matrix)
        return keras.ops.einsum("ab...,bc->ac...", inputs, matrix)

    def input_channels(self, weight_shape: Sequence[int]) -> int:
        """The rows of the matrix."""
        return weight_shape[-2]

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """The columns of the matrix."""
        return weight_shape[-1]
