"""The scale and the offset of single elements: the maps of a normalisation's γ and β."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import tensorflow as tf

from bnn.operators.operator import Operator, batch_size


@dataclasses.dataclass(frozen=True)
class _Broadcast(Operator):
    """A map of weights that are broadcast along all axes but those they have.

    Attributes:
      shape: into which the weights are reshaped to broadcast against one example of the outputs:
        `(1, 1, C)` for one weight a channel of images `[B, H, W, C]`.
    """

    shape: tuple[int, ...]

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """All elements of w."""
        return math.prod(weight_shape)

    def per_channel(self, values: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
        """Values `[B, C]` where their weights stand in the outputs `[B, …]`."""
        return tf.reshape(tf.cast(values, tensor.dtype), [-1, *self.shape])


@dataclasses.dataclass(frozen=True)
class Scale(_Broadcast):
    """y = x ∘ w: every element of an example times its own weight."""

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The product, of the shape of the inputs."""
        return inputs * tf.reshape(weights, [1, *self.shape])


@dataclasses.dataclass(frozen=True)
class Offset(_Broadcast):
    """y = 1 w: the weights of every example, `[B, *shape]`.

    Of the inputs only batch size and dtype are used. Positions of one example receive one number,
    so the covariance across positions is exact with every estimator.
    """

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The weights, once an example."""
        ones = tf.ones([batch_size(inputs)] + [1] * len(self.shape), inputs.dtype)
        return ones * tf.reshape(weights, [1, *self.shape])


def broadcast_shape(input_shape: Sequence[int | None], axes: Sequence[int]) -> tuple[int, ...]:
    """Shape in which weights of the sizes at `axes` broadcast against one example.

    Args:
      input_shape: `[B, …]`.
      axes: of the inputs, the batch's excluded.
    """
    kept = {axis % len(input_shape) for axis in axes}
    shape = [size if axis in kept else 1 for axis, size in enumerate(input_shape)]
    return tuple(size if size is not None else -1 for size in shape[1:])
