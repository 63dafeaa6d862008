"""Jacobians of a model's outputs in its weights, for a block of examples at a time."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.compat import substituted
from bnn.methods.curvature.outputs import output_factor
from bnn.methods.curvature.weights import Weights

# Numbers of one block of Jacobians, 64 MB in float32.
_BLOCK = 2**24


def outputs_of(model: keras.Model, inputs: Any) -> tf.Tensor:
    """Outputs `[B, C]` at the mode; ValueError for another form."""
    outputs = model(inputs, training=False)
    if not tf.is_tensor(outputs) or outputs.shape.rank != 2:
        shapes = tf.nest.map_structure(lambda x: tuple(x.shape), outputs)
        raise ValueError(
            f"Laplace needs a model with one output [B, C], but that of {model.name!r} is "
            f"{shapes}; take another method for several heads or positions."
        )
    return outputs


def rows_a_block(width: int) -> int:
    """Examples whose Jacobians, `width` numbers each, fit a block; at least 1."""
    return max(1, _BLOCK // max(1, width))


def whitened_jacobians(
    model: keras.Model, weights: Weights, likelihood: Any, inputs: Any
) -> tf.Tensor:
    """Rᵀ J by example, `[B, K, P]`: the GGN is the sum of their squares, Σ_b (Rᵀ J)ᵀ (Rᵀ J).

    One backward pass for each of the K columns of R; an example at a time, so that nothing of size
    B² C is ever made.
    """

    def rows(outputs: tf.Tensor) -> tf.Tensor:
        factor = tf.stop_gradient(output_factor(likelihood, outputs))
        return tf.einsum("bck,bc->k", factor, outputs)

    return _jacobians(model, weights, inputs, rows)


def jacobians(model: keras.Model, weights: Weights, inputs: Any) -> tf.Tensor:
    """J by example, `[B, C, P]`."""
    return _jacobians(model, weights, inputs, lambda outputs: outputs[0])


def _jacobians(model: keras.Model, weights: Weights, inputs: Any, rows: Any) -> tf.Tensor:
    def one(example: Any) -> tf.Tensor:
        values = [tf.convert_to_tensor(v.value) for v in weights.variables]
        with tf.GradientTape() as tape:
            tape.watch(values)
            with substituted(zip(weights.variables, values, strict=True)):
                single = tf.nest.map_structure(lambda part: part[tf.newaxis], example)
                found = rows(outputs_of(model, single))
        parts = tape.jacobian(found, values, unconnected_gradients="zero")
        return tf.concat([tf.reshape(part, [found.shape[0], -1]) for part in parts], axis=1)

    return tf.map_fn(one, inputs, fn_output_signature=tf.float32)


def directional(
    model: keras.Model, weights: Weights, inputs: Any, directions: list[tf.Tensor]
) -> tf.Tensor:
    """f(x) + J(x) Δₛ for S directions Δ, `[S, B, C]`: forward mode, no Jacobian is made.

    Args:
      model: whose outputs are taken at the mode.
      weights: that Δ is of.
      inputs: `[B, …]`.
      directions: one tensor `[S, *shape]` for each of the weight tensors.
    """

    def one(tangents: list[tf.Tensor]) -> tf.Tensor:
        values = [tf.convert_to_tensor(v.value) for v in weights.variables]
        tangents = [tf.cast(t, v.dtype) for t, v in zip(tangents, values, strict=True)]
        with (
            tf.autodiff.ForwardAccumulator(values, tangents) as forward,
            substituted(zip(weights.variables, values, strict=True)),
        ):
            outputs = outputs_of(model, inputs)
        tangent = forward.jvp(outputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.cast(outputs + tangent, tf.float32)

    return tf.map_fn(one, directions, fn_output_signature=tf.float32)
