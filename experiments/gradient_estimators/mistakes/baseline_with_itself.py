"""A baseline that includes the sample it is subtracted from shrinks the gradient.

x ~ N(μ, σ²), f(x) = x², S = 4 samples, gradient in μ. With b the mean over all S samples the
expectation is (S − 1)/S of the gradient; the mean over the others leaves it unbiased.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from bnn.estimators import LeaveOneOut

LOC, SCALE, NUM_SAMPLES = 1.5, 0.5, 4
EXACT = 2 * LOC
_loc = tf.Variable(LOC)


def wrong(seed: tf.Tensor) -> tf.Tensor:
    """The baseline is the mean of all f, the sample's own among them."""
    return _gradient(seed, lambda f: tf.fill(tf.shape(f), tf.reduce_mean(f)))


def right(seed: tf.Tensor) -> tf.Tensor:
    """The baseline of a sample is the mean of the other f."""
    return _gradient(seed, lambda f: LeaveOneOut()(f, tf.zeros_like(f)))


def _gradient(seed: tf.Tensor, baseline) -> tf.Tensor:
    with tf.GradientTape() as tape:
        q = tfd.Normal(_loc, SCALE)
        x = tf.stop_gradient(q.sample(NUM_SAMPLES, seed=seed))
        f = x**2
        loss = tf.reduce_mean((f - baseline(f)) * q.log_prob(x))
    return tape.gradient(loss, _loc)
