"""Jacobians of a model's outputs in its weights, for a block of examples at a time."""

from __future__ import annotations

from collections.abc import Callable
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


def sum_of_rows(
    model: keras.Model,
    weights: Weights,
    likelihood: Any,
    inputs: Any,
    reduce: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """The sum of reduce(rows `[B, k, P]`) over blocks of the rows of Rᵀ J, by example.

    The GGN is the sum of their squares, Σ_b (Rᵀ J)ᵀ (Rᵀ J). One backward pass for each of the K
    columns of R; an example at a time, so that nothing of size B² C is ever made, and as many
    columns at a time as fit a block, so that the K P numbers of a large model never are.
    """
    first = tf.nest.map_structure(lambda x: x[:1], inputs)
    columns = outputs_of(model, first).shape[1]
    size = min(columns, rows_a_block(weights.size))

    def block(start: Any) -> tf.Tensor:
        def rows(outputs: tf.Tensor) -> tf.Tensor:
            factor = tf.stop_gradient(output_factor(likelihood, outputs))
            factor = tf.pad(factor, [[0, 0], [0, 0], [0, -columns % size]])
            factor = tf.slice(factor, [0, 0, start], [1, columns, size])
            return tf.einsum("bck,bc->k", factor, outputs)

        return reduce(_jacobians(model, weights, inputs, rows))

    if size == columns:
        return block(0)
    starts = tf.range(size, columns, size)
    return tf.foldl(lambda total, start: total + block(start), starts, initializer=block(0))


def jacobians(model: keras.Model, weights: Weights, inputs: Any) -> tf.Tensor:
    """J by example, `[B, C, P]`."""
    return _jacobians(model, weights, inputs, lambda outputs: outputs[0])


def moments(
    model: keras.Model, weights: Weights, structure: Any, inputs: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and covariance of the linearised outputs, `[B, C]` and `[B, C, C]`, float32.

    Args:
      model: at the mode.
      weights: P of them.
      structure: of their covariance, see `Structure`.
      inputs: `[B, …]`.
    """
    outputs = outputs_of(model, inputs)
    if outputs.shape[1] * weights.size > _BLOCK:
        return outputs, _by_column(model, weights, structure, inputs)
    covariance = structure.covariance(jacobians(model, weights, inputs))
    return outputs, tf.cast(covariance, tf.float32)


def _by_column(model: keras.Model, weights: Weights, structure: Any, inputs: Any) -> tf.Tensor:
    """J Σ Jᵀ by example, for models whose J is too large for one block.

    Column c is J (Σ J_cᵀ): backward mode, then forward mode. P numbers at a time.
    """

    def one(example: Any) -> tf.Tensor:
        single = tf.nest.map_structure(lambda part: part[tf.newaxis], example)

        def column(place: tf.Tensor) -> tf.Tensor:
            row = _jacobians(model, weights, single, lambda outputs: outputs[:, place])
            direction = weights.split(structure.apply(row[0]))
            moved = directional(model, weights, single, direction)
            return moved[0, 0] - tf.cast(outputs_of(model, single)[0], tf.float32)

        columns = outputs_of(model, single).shape[1]
        found = tf.map_fn(column, tf.range(columns), fn_output_signature=tf.float32)
        return (found + tf.transpose(found)) / 2

    return tf.map_fn(one, inputs, fn_output_signature=tf.float32)


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


def ggn_products(
    model: keras.Model,
    weights: Weights,
    likelihood: Any,
    inputs: Any,
    share: tf.Tensor,
    directions: tf.Tensor,
) -> tf.Tensor:
    """Σ_b share_b J_bᵀ R_b R_bᵀ J_b v of directions v `[m, P]`, float64: no Jacobian is made.

    Forward mode gives J v, backward mode Jᵀ of what R Rᵀ makes of it (Schraudolph 2002); one
    direction at a time, all examples at once.
    """

    def one(tangents: list[tf.Tensor]) -> tf.Tensor:
        values = [tf.convert_to_tensor(v.value) for v in weights.variables]
        tangents = [tf.cast(t, v.dtype) for t, v in zip(tangents, values, strict=True)]
        with tf.GradientTape() as tape:
            tape.watch(values)
            with (
                tf.autodiff.ForwardAccumulator(values, tangents) as forward,
                substituted(zip(weights.variables, values, strict=True)),
            ):
                outputs = outputs_of(model, inputs)
            slopes = forward.jvp(outputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        factor = output_factor(likelihood, outputs)
        pulled = tf.einsum("bck,bdk,bd->bc", factor, factor, slopes)
        pulled = pulled * tf.cast(share, pulled.dtype)[:, tf.newaxis]
        parts = tape.gradient(outputs, values, pulled, unconnected_gradients="zero")
        return tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)

    found = tf.map_fn(one, weights.split(directions), fn_output_signature=tf.float32)
    return tf.cast(found, tf.float64)
