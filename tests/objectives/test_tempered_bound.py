"""The importance-weighted bound at any power of p/q: one weight, S = 2, against quadrature."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Reparameterization, ScoreFunction
from bnn.objectives import VIMCO, DoublyReparameterized, ImportanceWeightedBound, Plain

X = np.array([[1.0], [0.5], [-1.0]], np.float32)
Y = np.array([[1.2], [0.1], [-0.4]], np.float32)
NOISE, MEAN, SCALE = 0.6, 0.2, 0.5
POWERS = (0.1, 0.5, 1.0, 2.0)
RULES = {
    "plain": (Plain, Reparameterization),
    "doubly": (DoublyReparameterized, Reparameterization),
    "vimco": (VIMCO, ScoreFunction),
}
# The fixed seeds give the same z-scores in every run.
Z_LIMIT = 4.0


class Untempered(DoublyReparameterized):
    """The defect to be seen: the factor ṽ of λ = 1 at any λ."""

    def bound(self, log_weights, scores, estimator, kl_weight):
        value = super().bound(log_weights, scores, estimator, kl_weight)
        estimator.factors = tf.stop_gradient(tf.nn.softmax(log_weights))
        return value


def exact_bound(power, mean, log_scale):
    """E[log ½ (v₁ + v₂)], v = p(y | w) [p(w) / q(w)]^λ, by Gauss–Hermite quadrature."""
    z, mass = np.polynomial.hermite_e.hermegauss(120)
    mass = mass / mass.sum()
    w = mean + np.exp(log_scale) * z
    residual = (Y - X * w) / NOISE
    log_likelihood = np.sum(-0.5 * residual**2 - np.log(NOISE) - 0.5 * np.log(2 * np.pi), axis=0)
    log_ratio = (-0.5 * z**2 - log_scale) - (-0.5 * w**2)
    log_v = log_likelihood - power * log_ratio
    both = np.logaddexp(log_v[:, np.newaxis], log_v) - np.log(2)
    return np.sum(np.outer(mass, mass) * both)


def exact(power, h=1e-4):
    """The bound and its gradient in μ and ln σ."""
    place = np.array([MEAN, np.log(SCALE)])
    slopes = [
        (exact_bound(power, *(place + d)) - exact_bound(power, *(place - d))) / (2 * h)
        for d in h * np.eye(2)
    ]
    return np.array([exact_bound(power, *place), *slopes])


def z_scores(rule, estimator, power, num_steps):
    """Of the mean bound and its mean gradient over many steps."""
    likelihood = bnn.likelihoods.Normal(NOISE)
    likelihood.build()
    layer = bnn.layers.Dense(
        1,
        use_bias=False,
        kernel_posterior=bnn.posteriors.MeanFieldNormal(SCALE),
        kernel_initializer=keras.initializers.Constant(MEAN),
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    objective = ImportanceWeightedBound(likelihood, len(X), 2, rule())
    variables = [v.value for v in model.trainable_variables]

    def one(step):
        with tf.GradientTape() as tape:
            loss = objective(
                model, X, Y, estimator=estimator(), seed=1, step=step, kl_weight=power
            ).loss
        slopes = [tf.reshape(g, []) for g in tape.gradient(loss, variables)]
        return -len(X) * tf.stack([loss, *slopes])

    @tf.function(jit_compile=True, autograph=False)
    def run(first):
        steps = first + tf.range(10_000)
        return tf.map_fn(one, steps, fn_output_signature=tf.float32)

    parts = [run(tf.constant(i)).numpy() for i in range(0, num_steps, 10_000)]
    samples = np.concatenate(parts).astype(np.float64)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return (samples.mean(axis=0) - exact(power)) / error


@pytest.mark.parametrize("power", POWERS)
def test_doubly_reparameterized_is_unbiased_at_any_power(power):
    z = z_scores(*RULES["doubly"], power, 20_000)
    assert np.max(np.abs(z)) < Z_LIMIT, z


def test_the_factor_of_the_bound_itself_is_seen_to_be_wrong():
    z = z_scores(Untempered, Reparameterization, 0.1, 20_000)
    assert np.max(np.abs(z[1:])) > 10


@pytest.mark.slow
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_unbiased_at_any_power(rule, power):
    z = z_scores(*RULES[rule], power, 100_000)
    assert np.max(np.abs(z)) < Z_LIMIT, z
