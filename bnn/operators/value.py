"""The weights themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from bnn.operators.operator import Operator


@dataclasses.dataclass(frozen=True)
class Value(Operator):
    """y = w, whatever x: for maps that are not linear in their weights, or not known.

    Whoever calls the site does the rest with the weight tensor, so only estimators that realise one
    for the whole batch can serve it.
    """

    needs_weights = True

    def apply(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The weights."""
        del inputs
        return weights

    def __call__(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The weights in their own dtype, which the inputs', perhaps ids, have no part in."""
        return self.apply(inputs, weights)

    def output_channels(self, weight_shape: Sequence[int]) -> int:
        """The last axis."""
        return weight_shape[-1] if weight_shape else 1
