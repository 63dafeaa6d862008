"""The rows of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import keras
import tensorflow as tf

from bnn.operators.operator import Operator

_NO_ID = -(2**30)


@dataclasses.dataclass(frozen=True)
class Lookup(Operator):
    """y = w[x] with ids x `[B, …]`, w `[ids, out]` and y `[B, …, out]`: one-hot vectors times w.

    Ids have no signs to flip, and the square of a one-hot vector is itself, so that
    Var[y] = V[x]. Local reparameterization draws a row anew at every place it is looked up: an id
    that comes twice in one example has two values, each of the right law.

    Attributes:
      dtype: of the outputs, which ids do not say.
    """

    takes_ids: ClassVar[bool] = True

    dtype: str = "float32"

    def __call__(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Looks the ids up in the dtype of the outputs."""
        return self.apply(inputs, tf.cast(weights, self.dtype))

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The rows; an id below 0 counts from the end, as in Keras.

        An id that is none is refused by TensorFlow on CPUs; where it is not, as under XLA, which
        takes the nearest id, or on GPUs, which take zeros, its row is NaN.
        """
        ids, size = as_ids(inputs), weights.shape[0]
        rows = keras.ops.take(weights, ids, axis=0)
        known = (ids >= -size) & (ids < size)
        return tf.where(known[..., tf.newaxis], rows, tf.cast(float("nan"), rows.dtype))

    def output_dtype(self, inputs: tf.Tensor) -> tf.DType:
        """The dtype that was asked for."""
        del inputs
        return tf.as_dtype(self.dtype)

    def variance(self, inputs: tf.Tensor, variances: tf.Tensor) -> tf.Tensor:
        """V[x], in float32 at least."""
        wide = tf.float32 if self.dtype in ("float16", "bfloat16") else tf.as_dtype(self.dtype)
        return self.apply(inputs, tf.cast(variances, wide))

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """The columns of w."""
        return weight_shape[-1]


def as_ids(inputs: tf.Tensor) -> tf.Tensor:
    """Ids as integers: `keras.Input` makes them float32 by default.

    A number with a fraction, or NaN, which a cast would make an id, becomes one that no table has.
    """
    inputs = tf.convert_to_tensor(inputs)
    if inputs.dtype in (tf.int32, tf.int64):
        return inputs
    ids = tf.cast(inputs, tf.int32)
    if not inputs.dtype.is_floating:
        return ids
    return tf.where(tf.equal(tf.cast(ids, inputs.dtype), inputs), ids, _NO_ID)
