"""Bayesian transposed convolutions in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gin
import keras

from bnn import operators
from bnn.layers.convolution import Convolution
from bnn.layers.depthwise_convolution import known_channels, no_causal


class ConvolutionTranspose(Convolution):
    """y = activation(Wᵀ x + b): the transpose of a convolution by W, with random W and b.

    W is `[window…, filters, in]` and b `[filters]`; the arguments are those of the Keras layer of
    the same name.

    Args:
      filters: number of output channels, positive.
      kernel_size: window, an int or one int per dimension.
      strides: int or one per dimension.
      padding: `"valid"` or `"same"`.
      output_padding: int or one per dimension, below the strides, added to one side of the
        outputs; None to have it follow from the padding.
      data_format: `"channels_last"`, `"channels_first"`, or None for Keras's default.
      dilation_rate: int or one per dimension; strides and dilation above 1 exclude each other.
      activation: Keras activation, or None.
      **kwargs: of `AffineLayer`, with its options for the sites `kernel` and `bias`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        self.output_padding = self._output_padding(output_padding)

    def _output_padding(self, given: int | Sequence[int] | None) -> tuple[int, ...] | None:
        if given is None:
            return None
        sizes = (given,) * self.rank if isinstance(given, int) else tuple(given)
        fits = len(sizes) == self.rank
        if not fits or any(not 0 <= p < s for p, s in zip(sizes, self.strides, strict=True)):
            raise ValueError(
                f"output_padding must be None, or {self.rank} ints from 0 to below "
                f"strides={self.strides}, got {given!r}."
            )
        return sizes

    @property
    def _operator(self) -> operators.ConvolutionTranspose:
        return operators.ConvolutionTranspose(
            self.strides, self.padding, self.output_padding, self.data_format, self.dilation_rate
        )

    def build(self, input_shape: tuple) -> None:
        """Creates the variables; fixes the number of input channels."""
        shape = (*self.kernel_size, self.filters, known_channels(self, input_shape))
        self.add_affine(self._operator, shape, self.filters, self.data_format)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`[B, spatial…, filters]`, or `[B, filters, spatial…]`."""
        channels = input_shape[self._channel_axis]
        kernel = keras.KerasTensor((*self.kernel_size, self.filters, channels))
        outputs = self._operator.apply(keras.KerasTensor(tuple(input_shape)), kernel)
        return tuple(outputs.shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        config = super().get_config()
        del config["groups"]
        return {**config, "output_padding": self.output_padding}


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Conv1DTranspose(ConvolutionTranspose):
    """Transposed convolution of inputs `[B, time, in]`; see `ConvolutionTranspose`."""

    rank = 1


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Conv2DTranspose(ConvolutionTranspose):
    """Transposed convolution of inputs `[B, height, width, in]`."""

    rank = 2


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Conv3DTranspose(ConvolutionTranspose):
    """Transposed convolution of inputs `[B, depth, height, width, in]`."""

    rank = 3
