"""The continuous ranked probability score of mixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_POINTS = 1024  # of one mixture, at least
_TERMS = 4096  # of a sum over counts, at most


def crps_of_counts(
    cdf: Callable[[tf.Tensor], tf.Tensor],
    counts: tf.Tensor,
    upper: tf.Tensor,
    otherwise: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Σ_k (F(k) − [k ≥ y])² over the integers from 0, of the shape of the counts `[B, D]`.

    A sum of millions of terms, as one wild component asks for, would not end.

    Args:
      cdf: F, of non-negative integers.
      counts: y.
      upper: beyond it 1 − F is negligible; the sum also reaches the largest count.
      otherwise: the score of the counts where the sum would have more than 4,096 terms.
    """
    last = tf.maximum(upper, tf.reduce_max(counts))

    def add(k: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        at = tf.zeros_like(counts) + k
        return k + 1, total + (cdf(at) - tf.cast(at >= counts, at.dtype)) ** 2

    def summed() -> tf.Tensor:
        start = (tf.zeros((), counts.dtype), tf.zeros_like(counts))
        return tf.while_loop(lambda k, _: k <= last, add, start)[1]

    return tf.cond(last < _TERMS, summed, lambda: otherwise(counts))


def crps_of_points(
    quantile: Callable[..., tf.Tensor],
    parameters: tuple[tf.Tensor, ...],
    log_weights: tf.Tensor,
    targets: tf.Tensor,
) -> tf.Tensor:
    """E|Y − y| − ½ E|Y − Y′| of the distribution on quantiles of all components, `[B, D]`.

    Args:
      quantile: of one component, `quantile(q, *parameters)`.
      parameters: `[S, B, …]` each.
      log_weights: `[S, B]`.
      targets: y, `[B, D]`.
    """
    num_components = parameters[0].shape[0]
    each = max(8, -(-_POINTS // num_components))
    middles = (tf.range(each, dtype=tf.float64) + 0.5) / each
    points = quantile(middles[:, tf.newaxis, tf.newaxis, tf.newaxis], *parameters)  # [m, S, B, D]
    weights = tf.exp(log_weights)[..., tf.newaxis] / each + tf.zeros_like(points)
    shape = tf.concat([[-1], tf.shape(targets)], 0)
    return score_of_points(tf.reshape(points, shape), tf.reshape(weights, shape), targets)


def score_of_points(points: tf.Tensor, weights: Any, targets: tf.Tensor) -> tf.Tensor:
    """The score of weighted points `[n, …]`, whose weights sum to 1, for targets `[…]`.

    ½ E|Y − Y′| = Σ_k (y₍ₖ₊₁₎ − y₍ₖ₎) W_k (1 − W_k) with sorted points and summed weights W.
    """
    order = tf.argsort(points, axis=0)
    points, weights = (
        tf.experimental.numpy.take_along_axis(a, order, axis=0) for a in (points, weights)
    )
    below = tf.cumsum(weights, axis=0)[:-1]
    spread = tf.reduce_sum((points[1:] - points[:-1]) * below * (1 - below), axis=0)
    return tf.reduce_sum(weights * tf.abs(points - targets), axis=0) - spread
