"""A sample of a family that is not reparameterized has the gradient `None`.

x ~ Poisson(exp θ), f(x) = x², E[f] = r + r² with r = exp θ, gradient r + 2r². Discrete families,
mixtures and Gamma-like families before 2018 have no path, and TFP says so:
`distribution.reparameterization_type`. The score function needs none.
"""

from __future__ import annotations

import math

import tensorflow as tf
from tensorflow_probability import distributions as tfd

THETA = 0.3
EXACT = math.exp(THETA) + 2 * math.exp(2 * THETA)
_theta = tf.Variable(THETA)


def wrong(seed: tf.Tensor) -> tf.Tensor | None:
    """The sample is a constant to the tape."""
    with tf.GradientTape() as tape:
        f = tfd.Poisson(log_rate=_theta).sample(seed=seed) ** 2
    return tape.gradient(f, _theta)


def right(seed: tf.Tensor) -> tf.Tensor:
    """The score term f ∇ log q, as a surrogate whose value is f."""
    with tf.GradientTape() as tape:
        q = tfd.Poisson(log_rate=_theta)
        assert q.reparameterization_type == tfd.NOT_REPARAMETERIZED
        x = tf.stop_gradient(q.sample(seed=seed))
        f, score = x**2, q.log_prob(x)
        surrogate = f + f * (score - tf.stop_gradient(score))
    return tape.gradient(surrogate, _theta)
