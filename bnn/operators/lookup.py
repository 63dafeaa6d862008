"""The rows of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from bnn.operators.operator import Operator


@dataclasses.dataclass(frozen=True)
class Lookup(Operator):
    """y = w[x] with ids x `[B, …]`, w `[ids, out]` and y `[B, …, out]`: one-hot vectors times w.

    Ids have no signs to flip, and the square of a one-hot vector is itself, so that
    Var[y] = V[x]. Local reparameterization draws a row anew at every place it is looked up: an id
    that comes twice in one example has two values, each of the right law.

    Attributes:
      dtype: of the outputs, which ids do not say.
    """

    dtype: str = "float32"

    def __call__(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Looks the ids up in the dtype of the outputs."""
        return self.apply(inputs, tf.cast(weights, self.dtype))

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The rows; an id below 0 counts from the end, as in Keras."""
        return keras.ops.take(weights, as_ids(inputs), axis=0)

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
    """Ids as integers: `keras.Input` makes them float32 by default."""
    inputs = tf.convert_to_tensor(inputs)
    return inputs if inputs.dtype in (tf.int32, tf.int64) else tf.cast(inputs, tf.int32)
