"""`tf.stop_gradient` around a sample cuts the path, and the gradient is `None`.

x ~ N(μ, σ²), f(x) = x², gradient in μ. `tfd.Normal.sample` is reparameterized: x = μ + σ ε is
differentiable in μ and σ. A stopped sample, or one that went through NumPy, is a constant. Then
the gradient has to come from the score, f(x) ∇ log q(x).
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd

LOC, SCALE = 1.5, 0.5
EXACT = 2 * LOC
_loc = tf.Variable(LOC)


def wrong(seed: tf.Tensor) -> tf.Tensor | None:
    """Nothing connects f to μ."""
    with tf.GradientTape() as tape:
        x = tf.stop_gradient(tfd.Normal(_loc, SCALE).sample(seed=seed))
        f = x**2
    return tape.gradient(f, _loc)


def right(seed: tf.Tensor) -> tf.Tensor:
    """`tfd.Normal.sample` carries the gradient by itself."""
    q = tfd.Normal(_loc, SCALE)
    assert q.reparameterization_type == tfd.FULLY_REPARAMETERIZED
    with tf.GradientTape() as tape:
        f = tfd.Normal(_loc, SCALE).sample(seed=seed) ** 2
    return tape.gradient(f, _loc)
