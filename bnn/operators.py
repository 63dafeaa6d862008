"""Operators: bilinear maps y = op(x, w). They know nothing of probability.

Every output is a sum of products xᵢ wⱼ in which each element of w appears at most once. Hence, for
independent weights with means M and variances V, the output has mean op(x, M) and variance
op(x², V): that is what local reparameterization relies on.
"""

from __future__ import annotations

import abc
import dataclasses

import keras
import tensorflow as tf


class Operator(abc.ABC):
    """A bilinear map of inputs `[B, …]` and one weight tensor.

    Attributes:
      channel_axis: axis of the channels in inputs and outputs.
      shares_weights: whether one example's outputs at several positions use the same weights, so
        that they are correlated given the inputs. Local reparameterization ignores this covariance.
    """

    channel_axis: int = -1

    @property
    @abc.abstractmethod
    def shares_weights(self) -> bool:
        """Whether outputs at several positions of one example use the same weights."""

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

    def sign_shape(self, tensor: tf.Tensor) -> list:
        """Shape of one sign per example and channel, broadcastable to `tensor` `[B, …]`."""
        shape = tf.shape(tensor)
        rank = tensor.shape.rank
        channel = self.channel_axis % rank
        static = tensor.shape.as_list()
        sizes = [static[i] if static[i] is not None else shape[i] for i in range(rank)]
        return [size if i in (0, channel) else 1 for i, size in enumerate(sizes)]


@dataclasses.dataclass(frozen=True)
class Dense(Operator):
    """y = x w with x `[B, …, in]`, w `[in, out]`, y `[B, …, out]`.

    Attributes:
      positions: whether x has axes between the batch's and the channels'.
    """

    positions: bool = False

    @property
    def shares_weights(self) -> bool:
        """True where the same kernel is applied at several positions."""
        return self.positions

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Matrix product over the last axis of the inputs."""
        return keras.ops.matmul(inputs, weights)


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

    @property
    def shares_weights(self) -> bool:
        """A convolution uses one kernel at every position."""
        return True

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """Axis of the channels."""
        return -1 if self.data_format == "channels_last" else 1

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


@dataclasses.dataclass(frozen=True)
class Bias(Operator):
    """y = x b with x = 1 of shape `[B, 1, …, 1]` and b `[out]`: the bias of every example.

    The input is `ones_like_batch(layer inputs)`. Positions of one example receive one number, so
    the covariance across positions is exact with every estimator.
    """

    data_format: str = "channels_last"

    @property
    def shares_weights(self) -> bool:
        """A bias yields one output position per example."""
        return False

    @property
    def channel_axis(self) -> int:  # type: ignore[override]
        """Axis of the channels."""
        return -1 if self.data_format == "channels_last" else 1

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Broadcasts the bias to `[B, 1, …, out]`, or `[B, out, 1, …]` for channels first."""
        if self.data_format == "channels_first":
            weights = tf.reshape(weights, [-1] + [1] * (inputs.shape.rank - 2))
        return inputs * weights

    @staticmethod
    def ones_like_batch(inputs: tf.Tensor) -> tf.Tensor:
        """Ones of shape `[B, 1, …, 1]` with the rank and dtype of `inputs`."""
        rank = inputs.shape.rank
        batch = inputs.shape[0] if inputs.shape[0] is not None else tf.shape(inputs)[0]
        return tf.ones([batch] + [1] * (rank - 1), inputs.dtype)
