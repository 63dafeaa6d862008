"""The transposed convolution in one to three spatial dimensions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from bnn.operators.operator import Operator, channels_axis


@dataclasses.dataclass(frozen=True)
class ConvolutionTranspose(Operator):
    """The transpose of a cross-correlation, as `keras.ops.conv_transpose`.

    x is `[B, spatial…, in]`, w `[window…, out, in]` and y `[B, larger spatial…, out]`; with
    `data_format="channels_first"` the channels of x and y come second.
    """

    strides: tuple[int, ...]
    padding: str
    output_padding: tuple[int, ...] | None
    data_format: str
    dilation_rate: tuple[int, ...]

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """Axis of the channels."""
        return channels_axis(self.data_format)

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The transposed convolution; symbolic tensors give its shape."""
        return keras.ops.conv_transpose(
            inputs,
            weights,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def input_channels(self, weight_shape: Sequence[int]) -> int:
        """The last axis of w."""
        return weight_shape[-1]

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """The filters."""
        return weight_shape[-2]
