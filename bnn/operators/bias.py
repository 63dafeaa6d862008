"""The bias of every example."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from bnn.operators.operator import Operator, batch_size, channels_axis


@dataclasses.dataclass(frozen=True)
class Bias(Operator):
    """y = 1 b with b `[out]` and y `[B, 1, …, 1, out]` of the rank of the inputs.

    Of the inputs only batch size, rank and dtype are used. Positions of one example receive one
    number, so the covariance across positions is exact with every estimator.
    """

    data_format: str = "channels_last"

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """Axis of the channels."""
        return channels_axis(self.data_format)

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The bias as `[B, 1, …, out]`, or `[B, out, 1, …]` for channels first."""
        rank = inputs.shape.rank
        if self.data_format == "channels_first":
            weights = tf.reshape(weights, [-1] + [1] * (rank - 2))
        return tf.ones([batch_size(inputs)] + [1] * (rank - 1), inputs.dtype) * weights

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """All elements of b."""
        return weight_shape[0]
