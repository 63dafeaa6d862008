"""The convolution of every channel by itself, in one or two spatial dimensions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from bnn.operators.operator import Operator, channels_axis


@dataclasses.dataclass(frozen=True)
class DepthwiseConvolution(Operator):
    """Cross-correlation of each channel with its own windows, as `keras.ops.depthwise_conv`.

    x is `[B, spatial…, in]`, w `[window…, in, multiplier]` and y `[B, spatial…, in · multiplier]`;
    with `data_format="channels_first"` the channels of x and y come second.
    """

    strides: tuple[int, ...]
    padding: str
    data_format: str
    dilation_rate: tuple[int, ...]

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """Axis of the channels."""
        return channels_axis(self.data_format)

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The convolution."""
        return keras.ops.depthwise_conv(
            inputs,
            weights,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def input_channels(self, weight_shape: Sequence[int]) -> int:
        """The channels."""
        return weight_shape[-2]

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """The channels, each as often as the multiplier says."""
        return weight_shape[-2] * weight_shape[-1]
