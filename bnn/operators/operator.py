"""What an operator is: a map y = op(x, w) that knows nothing of probability."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar

import keras
import tensorflow as tf


class Operator(abc.ABC):
    """A map of inputs `[B, …]` and one weight tensor, linear in the weights.

    Every output is a sum of products f(x)ᵢ wⱼ in which each element of w appears at most once.
    Hence, for independent weights with means M and variances V, the output has mean op(x, M) and
    variance op(x², V): that is what local reparameterization relies on. What depends on the meaning
    of the inputs is the operator's: their squares, and whether their signs can be flipped.

    Attributes:
      channel_axis: axis of the channels in inputs and outputs.
      needs_weights: whether it takes one weight tensor for the whole batch, and nothing less.
      takes_ids: inputs are numbers of rows of the weights.
    """

    channel_axis: int = -1
    needs_weights: bool = False
    takes_ids: ClassVar[bool] = False

    @abc.abstractmethod
    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The map itself; both arguments have the same dtype."""

    def __call__(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Applies the map in the dtype of the inputs."""
        return self.apply(inputs, tf.cast(weights, inputs.dtype))

    def variance(self, inputs: tf.Tensor, variances: tf.Tensor) -> tf.Tensor:
        """op(x², V): each output's variance for independent weights of the given variances.

        Computed in float32 under float16, whose smallest number, 6e-8, is above the square of a
        common standard deviation.
        """
        if inputs.dtype == tf.float16:
            inputs = tf.cast(inputs, tf.float32)
        return self(tf.square(inputs), variances)

    def output_dtype(self, inputs: tf.Tensor) -> tf.DType:
        """The dtype of op(inputs, w): that of the inputs, unless they are not numbers."""
        return inputs.dtype

    def input_channels(self, weight_shape: Sequence[int]) -> int | None:
        """Number of input channels whose signs can be flipped; None where inputs have no signs."""
        del weight_shape
        return None

    @abc.abstractmethod
    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """Number of output channels of weights of this shape."""

    def per_channel(self, values: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
        """Values `[B, C]` in the dtype of `tensor` `[B, …]`, shaped to broadcast along it."""
        shape = [1] * tensor.shape.rank
        shape[0], shape[self.channel_axis % len(shape)] = -1, values.shape[1]
        return tf.reshape(tf.cast(values, tensor.dtype), shape)


def channels_axis(data_format: str) -> int:
    """Axis of the channels for Keras's `data_format`."""
    return -1 if data_format == "channels_last" else 1


def batch_size(inputs: tf.Tensor) -> int | tf.Tensor:
    """B of inputs `[B, …]`: an int where it is known."""
    return inputs.shape[0] if inputs.shape[0] is not None else keras.ops.shape(inputs)[0]
