"""The formula of each pathwise estimator, sample by sample; tests/conformance has their moments."""

import numpy as np
import pytest
import tensorflow as tf

from bnn import operators
from bnn.estimators import (
    Flipout,
    LocalReparameterization,
    Mean,
    Reparameterization,
    ScoreFunction,
)
from bnn.noise import Noise
from bnn.posteriors.terms import safe_sqrt

DENSE = operators.Dense()
NOISE = Noise(4, step=2, site=1)


def outputs(estimator, operator, x, q, noise=NOISE):
    return estimator.realise(operator, q, noise, x).apply(x)


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(5, 3)), tf.float32)


def test_mean(posterior, x):
    q = posterior((3, 2))
    np.testing.assert_allclose(outputs(Mean(), DENSE, x, q), x @ q.mean, rtol=1e-6)


def test_reparameterization(posterior, x):
    q = posterior((3, 2))
    y = outputs(Reparameterization(), DENSE, x, q)
    np.testing.assert_allclose(y, x @ q.sample(NOISE), rtol=1e-6)


def test_local_reparameterization(posterior, x):
    q = posterior((3, 2))
    y = outputs(LocalReparameterization(), DENSE, x, q)
    stddev = tf.sqrt(tf.square(x) @ tf.square(q.scale))
    epsilon = NOISE.normal((5, 2), per_example=True)
    np.testing.assert_allclose(y, x @ q.mean + stddev * epsilon, rtol=1e-5, atol=1e-6)


def test_flipout_is_a_weight_per_example(posterior, x):
    """yₙ = xₙ (μ + Δ ∘ rₙ sₙᵀ): the mean has no signs, the perturbation is one for all."""
    q = posterior((3, 2))
    y = outputs(Flipout(), DENSE, x, q)
    r = NOISE.signs((5, 3), 1, per_example=True)
    s = NOISE.signs((5, 2), 2, per_example=True)
    delta = q.perturbation(NOISE)
    for n in range(5):
        weights = q.mean + delta * r[n][:, tf.newaxis] * s[n]
        np.testing.assert_allclose(
            y[n], tf.linalg.matvec(weights, x[n], True), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_flipout_on_a_convolution(posterior, rng, data_format):
    """All positions of an example share its weights, with signs per channel."""
    q = posterior((2, 2, 3, 4))
    x = tf.constant(rng.normal(size=(3, 5, 6, 3)), tf.float32)
    operator = operators.Convolution((1, 1), "valid", "channels_last", (1, 1))
    r = NOISE.signs((3, 3), 1, per_example=True)
    s = NOISE.signs((3, 4), 2, per_example=True)
    delta = q.perturbation(NOISE)
    expected = [
        operator(x[n : n + 1], q.mean + delta * r[n][:, tf.newaxis] * s[n]) for n in range(3)
    ]
    expected = tf.concat(expected, 0)
    if data_format == "channels_first":
        operator = operators.Convolution((1, 1), "valid", data_format, (1, 1))
        x, expected = (tf.transpose(a, [0, 3, 1, 2]) for a in (x, expected))
    y = outputs(Flipout(), operator, x, q)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("estimator", [Reparameterization(), LocalReparameterization(), Flipout()])
def test_without_spread_every_estimator_is_the_mean(estimator, posterior, x):
    q = posterior((3, 2))
    q._unconstrained_scale.assign(np.full((3, 2), -120.0))  # σ = 0 in float32
    realisation = estimator.realise(DENSE, q, NOISE, x)
    np.testing.assert_array_equal(realisation.apply(x), x @ q.mean)
    assert (realisation.score, realisation.log_weight, realisation.score_norm) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("estimator", [Reparameterization(), LocalReparameterization(), Flipout()])
@pytest.mark.parametrize("sigma", ["usual", "zero"])
def test_gradients_of_zero_inputs_are_finite(estimator, posterior, sigma):
    q = posterior((3, 2))
    if sigma == "zero":
        q._unconstrained_scale.assign(np.full((3, 2), -120.0))
    x = tf.zeros((4, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = outputs(estimator, DENSE, x, q)
    sources = [x, q._loc.value, q._unconstrained_scale.value]
    for gradient in tape.gradient(y, sources):
        assert np.all(np.isfinite(gradient))


def test_safe_sqrt():
    v = tf.constant([0.0, 1e-40, 1e-30, 1e-8, 0.25, 9.0, 1e30])
    with tf.GradientTape() as tape:
        tape.watch(v)
        root = safe_sqrt(v)
    np.testing.assert_allclose(root, [0, 0, 1e-15, 1e-4, 0.5, 3, 1e15], rtol=1e-5)
    gradient = tape.gradient(root, v)
    np.testing.assert_allclose(gradient, [0, 0, 5e14, 5e3, 1, 1 / 6, 5e-16], rtol=1e-5)


@pytest.mark.parametrize("estimator", [LocalReparameterization(), Flipout()])
def test_examples_have_noise_of_their_own(estimator, posterior):
    q = posterior((3, 2))
    y = outputs(estimator, DENSE, tf.ones((64, 3)), q).numpy()
    assert len(np.unique(y, axis=0)) > 1
    if isinstance(estimator, LocalReparameterization):
        assert len(np.unique(y)) == y.size


def test_reparameterization_is_coherent(posterior):
    y = outputs(Reparameterization(), DENSE, tf.ones((64, 3)), posterior((3, 2)))
    assert len(np.unique(y, axis=0)) == 1


# --- What a realisation says of itself ----------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "reusable", "one_tensor"),
    [
        (Mean(), True, True),
        (Reparameterization(), True, True),
        (ScoreFunction(), True, True),
        (Flipout(), True, False),
        (LocalReparameterization(), False, False),
    ],
)
def test_what_can_be_used_again(estimator, reusable, one_tensor, posterior, x):
    q = posterior((3, 2))
    realisation = estimator.realise(DENSE, q, NOISE, x)
    assert realisation.reusable is reusable
    assert (realisation.weights is not None) is one_tensor
    if one_tensor:
        np.testing.assert_allclose(realisation.apply(x), x @ realisation.weights, rtol=1e-6)
    if reusable:  # linear in x, with the same weights for every call
        twice = realisation.apply(x) + 2 * realisation.apply(-x)
        np.testing.assert_allclose(twice, -realisation.apply(x), rtol=1e-4, atol=1e-5)


def test_like_gives_no_more_than_batch_size_and_dtype(posterior, x):
    q = posterior((3, 2))
    for estimator in (Reparameterization(), Flipout(), LocalReparameterization()):
        expected = outputs(estimator, DENSE, x, q)
        actual = estimator.realise(DENSE, q, NOISE, tf.zeros((5, 1))).apply(x)
        np.testing.assert_array_equal(actual, expected)
