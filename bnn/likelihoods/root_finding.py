"""Quantiles as roots of a distribution function."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# Each halves the bracket: so many leave less of it than the precision of a double.
_HALVINGS = 64


def bisect(
    cdf: Callable[[tf.Tensor], tf.Tensor],
    q: tf.Tensor,
    lower: tf.Tensor,
    upper: tf.Tensor,
    discrete: bool = False,
) -> tf.Tensor:
    """The smallest y in [lower, upper] with cdf(y) ≥ q, elementwise.

    Args:
      cdf: non-decreasing, of the shape that q, lower and upper broadcast to.
      q: probabilities in (0, 1).
      lower: cdf(lower) ≤ q.
      upper: cdf(upper) ≥ q.
      discrete: only integers are values; the bracket is widened to integers.
    """
    shape = tf.broadcast_dynamic_shape(tf.shape(lower), tf.shape(q))
    shape = tf.broadcast_dynamic_shape(shape, tf.shape(upper))
    lower, upper = tf.broadcast_to(lower, shape), tf.broadcast_to(upper, shape)
    if discrete:  # cdf(lower) < q, and the bracket's upper end is the answer
        lower, upper = tf.floor(lower) - 1, tf.math.ceil(upper)

    def halve(i: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, ...]:
        middle = low + (high - low) / 2
        if discrete:
            middle = tf.floor(middle)
        below = cdf(middle) < q
        return i + 1, tf.where(below, middle, low), tf.where(below, high, middle)

    def wide(i: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
        return (i < _HALVINGS) & tf.reduce_any(high - low > (1.0 if discrete else 0.0))

    return tf.while_loop(wide, halve, (tf.constant(0), lower, upper))[2]
