"""The convolution in one to three spatial dimensions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from bnn.operators.operator import Operator, channels_axis


@dataclasses.dataclass(frozen=True)
class Convolution(Operator):
    """Cross-correlation, as `keras.ops.conv`, in one to three spatial dimensions, with groups.

    x is `[B, spatial…, in]`, w `[window…, in / groups, out]` and y `[B, spatial…, out]`; with
    `data_format="channels_first"` the channels of x and y come second.
    """

    strides: tuple[int, ...]
    padding: str
    data_format: str
    dilation_rate: tuple[int, ...]
    causal: bool = False
    groups: int = 1

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """Axis of the channels."""
        return channels_axis(self.data_format)

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The convolution; a causal one pads the past only."""
        padding = self.padding
        if self.causal:
            past = self.dilation_rate[0] * (weights.shape[0] - 1)
            time = [[past, 0]]
            channel = [[0, 0]]
            last = self.data_format == "channels_last"
            inputs = tf.pad(inputs, [[0, 0], *(time + channel if last else channel + time)])
            padding = "valid"
        return keras.ops.conv(
            inputs,
            weights,
            strides=self.strides,
            padding=padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def input_channels(self, weight_shape: Sequence[int]) -> int:
        """Those of all groups."""
        return weight_shape[-2] * self.groups

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """The filters."""
        return weight_shape[-1]
