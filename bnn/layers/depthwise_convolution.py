"""Bayesian convolutions that keep channels apart, in one and two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gin
import keras
import tensorflow as tf

from bnn import operators
from bnn.layers.checks import positive
from bnn.layers.convolution import Convolution


class DepthwiseConvolution(Convolution):
    """y = activation(x ⋆ W + b), every channel with windows of its own.

    Random W `[window…, in, depth_multiplier]` and b `[in · depth_multiplier]`; the arguments are
    those of the Keras layer of the same name.

    Args:
      kernel_size: window, an int or one int per dimension.
      strides: int or one per dimension.
      padding: `"valid"` or `"same"`.
      depth_multiplier: outputs per input channel.
      data_format: `"channels_last"`, `"channels_first"`, or None for Keras's default.
      dilation_rate: int or one per dimension; strides and dilation above 1 exclude each other.
      activation: Keras activation, or None.
      **kwargs: of `AffineLayer`, with its options for the sites `depthwise` and `bias`.
    """

    site_initializers: ClassVar = {"depthwise": "glorot_uniform", "bias": "zeros"}

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        **kwargs: Any,
    ) -> None:
        self.depth_multiplier = positive("depth_multiplier", depth_multiplier)
        super().__init__(
            depth_multiplier,
            kernel_size,
            strides,
            no_causal(padding),
            data_format,
            dilation_rate,
            activation=activation,
            **kwargs,
        )

    def build(self, input_shape: tuple) -> None:
        """Creates the variables; fixes the number of input channels."""
        channels = known_channels(self, input_shape)
        self.compute_output_shape(input_shape)
        operator = operators.DepthwiseConvolution(
            self.strides, self.padding, self.data_format, self.dilation_rate
        )
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.add_site("depthwise", operator, shape)
        self.bias = None
        if self.use_bias:
            size = (channels * self.depth_multiplier,)
            self.bias = self.add_site("bias", operators.Bias(self.data_format), size)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`[B, spatial…, in · depth_multiplier]`, or with the channels second."""
        shape = list(super().compute_output_shape(input_shape))
        shape[self._channel_axis] = input_shape[self._channel_axis] * self.depth_multiplier
        return tuple(shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        config = super().get_config()
        del config["filters"], config["groups"]
        return {**config, "depth_multiplier": self.depth_multiplier}


class SeparableConvolution(Convolution):
    """y = activation((x ⋆ D) P + b): a depthwise convolution, then one of a single position.

    Random D `[window…, in, depth_multiplier]`, P `[1…, in · depth_multiplier, filters]` and b
    `[filters]`: three sites, the outputs bilinear in the two kernels.

    Args:
      filters: number of output channels.
      kernel_size: window, an int or one int per dimension.
      strides: int or one per dimension.
      padding: `"valid"` or `"same"`.
      data_format: `"channels_last"`, `"channels_first"`, or None for Keras's default.
      dilation_rate: int or one per dimension, of D.
      depth_multiplier: channels of the first part per input channel.
      activation: Keras activation, or None.
      **kwargs: of `AffineLayer`, with its options for the sites `depthwise`, `pointwise` and
        `bias`.
    """

    site_initializers: ClassVar = {
        "depthwise": "glorot_uniform",
        "pointwise": "glorot_uniform",
        "bias": "zeros",
    }

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            no_causal(padding),
            data_format,
            dilation_rate,
            activation=activation,
            **kwargs,
        )
        self.depth_multiplier = positive("depth_multiplier", depth_multiplier)

    def build(self, input_shape: tuple) -> None:
        """Creates the variables; fixes the number of input channels."""
        channels = known_channels(self, input_shape)
        self.compute_output_shape(input_shape)
        first = operators.DepthwiseConvolution(
            self.strides, self.padding, self.data_format, self.dilation_rate
        )
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise = self.add_site("depthwise", first, shape)
        second = operators.Pointwise(self.data_format)
        shape = (*[1] * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise = self.add_site("pointwise", second, shape)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_site("bias", operators.Bias(self.data_format), (self.filters,))

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Activation of both kernels, one after the other, and the bias."""
        del training
        inputs = self.floating(inputs)
        outputs = self.pointwise(self.depthwise(inputs))
        if self.bias is not None:
            outputs = outputs + self.bias(inputs)
        return self.activation(outputs)

    def get_config(self) -> dict:
        """Keras configuration."""
        config = super().get_config()
        del config["groups"]
        return {**config, "depth_multiplier": self.depth_multiplier}


def no_causal(padding: str) -> str:
    """The padding, in small letters; ValueError where it is causal."""
    if str(padding).lower() == "causal":
        raise ValueError(
            "padding must be 'valid' or 'same', got 'causal', which bnn.layers.Conv1D has."
        )
    return str(padding).lower()


def known_channels(layer: Convolution, input_shape: tuple) -> int:
    """Number of input channels, which the layer is held to from now on."""
    axis = -1 if layer.data_format == "channels_last" else 1
    channels = input_shape[axis]
    if channels is None:
        raise ValueError(
            f"the number of input channels of layer {layer.name!r} must be known, got inputs of "
            f"shape {tuple(input_shape)}."
        )
    layer.input_spec = keras.layers.InputSpec(ndim=layer.rank + 2, axes={axis: channels})
    return channels


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class DepthwiseConv1D(DepthwiseConvolution):
    """Depthwise convolution of inputs `[B, time, in]`; see `DepthwiseConvolution`."""

    rank = 1


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class DepthwiseConv2D(DepthwiseConvolution):
    """Depthwise convolution of inputs `[B, height, width, in]`."""

    rank = 2


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class SeparableConv1D(SeparableConvolution):
    """Separable convolution of inputs `[B, time, in]`; see `SeparableConvolution`."""

    rank = 1


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class SeparableConv2D(SeparableConvolution):
    """Separable convolution of inputs `[B, height, width, in]`."""

    rank = 2
