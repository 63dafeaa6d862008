"""A score term whose sample still carries a gradient counts the path twice.

x ~ N(μ, σ²), f(x) = x², gradient in μ. f(x) log q(x; φ) is meant to give f ∇_φ log q at fixed x.
With a reparameterized x, log q(μ + σ ε; μ) does not depend on μ at all and f's own path comes in
with a factor log q: the result is wrong, and has no warning. Stop the sample first.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd

LOC, SCALE = 1.5, 0.5
EXACT = 2 * LOC
_loc = tf.Variable(LOC)


def wrong(seed: tf.Tensor) -> tf.Tensor:
    """The sample is differentiable, so both factors are."""
    with tf.GradientTape() as tape:
        q = tfd.Normal(_loc, SCALE)
        x = q.sample(seed=seed)
        loss = x**2 * q.log_prob(x)
    return tape.gradient(loss, _loc)


def right(seed: tf.Tensor) -> tf.Tensor:
    """The sample is a constant; only log q's parameters are differentiated."""
    with tf.GradientTape() as tape:
        q = tfd.Normal(_loc, SCALE)
        x = tf.stop_gradient(q.sample(seed=seed))
        loss = x**2 * q.log_prob(x)
    return tape.gradient(loss, _loc)
