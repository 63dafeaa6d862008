"""A distribution built outside the `GradientTape` from softplus(ρ) gives `None`.

x ~ N(0, softplus(ρ)²), f(x) = x², E[f] = σ², gradient 2 σ dσ/dρ. The tape records what happens
inside it: σ = softplus(ρ) was computed before, so σ is a constant to it. Build the distribution
inside, or give it `tfp.util.TransformedVariable(σ, tfp.bijectors.Softplus())`, which is evaluated
anew at every use.
"""

from __future__ import annotations

import math

import tensorflow as tf
from tensorflow_probability import distributions as tfd

RHO = 0.5
SCALE = math.log1p(math.exp(RHO))
EXACT = 2 * SCALE * -math.expm1(-SCALE)
_rho = tf.Variable(RHO)


def wrong(seed: tf.Tensor) -> tf.Tensor | None:
    """The softplus is applied before the tape starts."""
    q = tfd.Normal(0.0, tf.math.softplus(_rho))
    with tf.GradientTape() as tape:
        f = q.sample(seed=seed) ** 2
    return tape.gradient(f, _rho)


def right(seed: tf.Tensor) -> tf.Tensor:
    """The whole way from the variable to f is inside."""
    with tf.GradientTape() as tape:
        q = tfd.Normal(0.0, tf.math.softplus(_rho))
        f = q.sample(seed=seed) ** 2
    return tape.gradient(f, _rho)
