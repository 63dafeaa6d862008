"""Mean and variance of an activation of a normal number."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

_ACTIVATIONS = keras.activations
# Those with one bend or step, at 0, and smooth elsewhere: what the quadrature is laid out for.
_BY_QUADRATURE = (
    _ACTIVATIONS.tanh,
    _ACTIVATIONS.sigmoid,
    _ACTIVATIONS.gelu,
    _ACTIVATIONS.silu,
    _ACTIVATIONS.softplus,
    _ACTIVATIONS.elu,
)
_REACH = 6.5  # standard deviations: 8e-11 of the mass is beyond
_NODES = 32  # on either side of 0


def serves(activation: Any) -> bool:
    """Whether `moments_of_activation` has a rule."""
    return activation in (_ACTIVATIONS.linear, _ACTIVATIONS.relu, *_BY_QUADRATURE)


def moments_of_activation(
    activation: Any, mean: tf.Tensor, variance: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """E[f(x)] and Var[f(x)] for x ~ N(mean, variance), element by element; computed in float64.

    With s = √variance, a = mean/s, φ and Φ of a:
    relu: E = mean Φ + s φ, E[f²] = (mean² + variance) Φ + mean s φ (closed form).
    Others: Gauss-Legendre quadrature of 32 nodes on either side of x = 0, where they bend, with
    nodes that lie the closer the nearer to it; relative error below 1e-5.

    Args:
      activation: of Keras, one that `serves` knows.
      mean: any shape.
      variance: of that shape, at least 0.
    """
    if activation is _ACTIVATIONS.linear:
        return mean, variance
    m, v = tf.cast(mean, tf.float64), tf.cast(variance, tf.float64)
    random = v > 0
    s = tf.sqrt(tf.where(random, v, 1))  # a root of 0 has no gradient
    if activation is _ACTIVATIONS.relu:
        first, second = _relu(m, s)
    else:
        first, second = _quadrature(activation, m, s)
    first = tf.where(random, first, activation(m))
    second = tf.where(random, tf.maximum(second, 0), 0)
    return tf.cast(first, mean.dtype), tf.cast(second, mean.dtype)


def _relu(m: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    a = tf.math.divide_no_nan(m, s)
    density = tf.exp(-0.5 * a**2) / np.sqrt(2 * np.pi)
    above = 0.5 * tf.math.erfc(-a / np.sqrt(2))
    first = m * above + s * density
    # E[f²] − E² = v Φ + E (m − E), without the difference of two squares.
    return first, s**2 * above + first * (m - first)


def _quadrature(f: Any, m: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    u, weights = np.polynomial.legendre.leggauss(_NODES)
    u, weights = (u + 1) / 2, weights / 2
    bend = tf.clip_by_value(-tf.math.divide_no_nan(m, s), -_REACH, _REACH)
    values, masses = [], []
    for end in (-_REACH, _REACH):
        for node, weight in zip(u, weights, strict=True):
            z = bend + (end - bend) * node**2
            density = tf.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
            masses.append(density * tf.abs(end - bend) * 2 * node * weight)
            values.append(f(m + s * z))
    total = tf.add_n(masses)
    first = tf.add_n([p * y for p, y in zip(masses, values, strict=True)]) / total
    second = tf.add_n([p * (y - first) ** 2 for p, y in zip(masses, values, strict=True)]) / total
    return first, second
