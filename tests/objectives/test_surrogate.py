"""The surrogate's value and gradient; its oracle is f(x) = (x − k)², x ~ N(μ, σ²)."""

import numpy as np
import pytest
import tensorflow as tf

from bnn.estimators import LeaveOneOut, NoBaseline
from bnn.estimators.baselines import Baseline
from bnn.objectives import surrogate

VALUES = tf.constant([3.0, -1.0, 4.0])
SCORES = tf.constant([-2.0, 0.3, 7.0])
LOG_WEIGHTS = tf.constant([0.5, -1.0, 0.0])
NORMS = tf.constant([1.0, 2.0, 3.0])
MU, SIGMA, K = 0.8, 0.6, -0.4
SAMPLES = 200_000


class Fixed(Baseline):
    def __call__(self, values, score_norms):
        self.seen = values.numpy(), score_norms.numpy()
        return tf.constant([1.0, -2.0, 0.5])


# --- Value and gradient, symbol by symbol -----------------------------------------------------


def test_the_score_changes_the_value_by_exactly_zero(modes):
    def value(values, scores, log_weights):
        return surrogate(values, 1e6 * scores, log_weights, LeaveOneOut())

    for result in modes(value, VALUES, SCORES, LOG_WEIGHTS).values():
        expected = np.mean(np.exp(LOG_WEIGHTS) * VALUES)
        assert float(result) == pytest.approx(expected, rel=1e-6)
    assert surrogate(VALUES, SCORES, LOG_WEIGHTS, LeaveOneOut()) == surrogate(
        VALUES, tf.zeros(3), LOG_WEIGHTS, NoBaseline()
    )


def test_gradient_in_values_and_scores():
    """(1/S) wₛ in fₛ and (1/S) wₛ (fₛ − bₛ) in scoreₛ; none in the weights."""
    with tf.GradientTape() as tape:
        tape.watch([VALUES, SCORES, LOG_WEIGHTS])
        loss = surrogate(VALUES, SCORES, LOG_WEIGHTS, Fixed())
    values, scores, log_weights = tape.gradient(loss, [VALUES, SCORES, LOG_WEIGHTS])
    weights = np.exp(LOG_WEIGHTS)
    np.testing.assert_allclose(values, weights / 3, rtol=1e-6)
    advantage = np.array([3.0 - 1.0, -1.0 + 2.0, 4.0 - 0.5])
    np.testing.assert_allclose(scores, weights * advantage / 3, rtol=1e-6)
    assert log_weights is None


def test_the_baseline_sees_the_weighted_values_and_the_norms():
    baseline = Fixed()
    surrogate(VALUES, SCORES, LOG_WEIGHTS, baseline, NORMS)
    np.testing.assert_allclose(baseline.seen[0], np.exp(LOG_WEIGHTS) * VALUES, rtol=1e-6)
    np.testing.assert_array_equal(baseline.seen[1], NORMS)


def test_pathwise_only_is_the_plain_mean():
    with tf.GradientTape() as tape:
        tape.watch(VALUES)
        loss = surrogate(VALUES, tf.zeros(3), tf.zeros(3), NoBaseline())
    assert float(loss) == 2.0
    np.testing.assert_allclose(tape.gradient(loss, VALUES), np.full(3, 1 / 3))


# --- The quadratic ------------------------------------------------------------------------------


def log_normal(x, mu, sigma):
    return -0.5 * tf.square((x - mu) / sigma) - tf.math.log(sigma)


def gradients(rng, kind, baseline=None, num_samples=1, widening=1.0):
    """Gradients in μ and σ of independent surrogates of `num_samples` each, `[groups, 2]`."""
    shape = (SAMPLES // num_samples, num_samples)
    mu, sigma = tf.fill(shape, MU), tf.fill(shape, SIGMA)
    epsilon = tf.constant(rng.normal(size=shape), tf.float32)
    baseline = baseline or NoBaseline()
    with tf.GradientTape() as tape:
        tape.watch([mu, sigma])
        x = mu + widening * sigma * epsilon
        scores = log_weights = tf.zeros(shape)
        if kind == "score":
            x = tf.stop_gradient(x)
            scores = log_normal(x, mu, sigma)
            log_weights = scores - log_normal(x, mu, widening * sigma)
        losses = tf.vectorized_map(
            lambda group: surrogate(*group, baseline),
            (tf.square(x - K), scores, log_weights),
        )
    return np.stack([np.sum(g, axis=1) for g in tape.gradient(losses, [mu, sigma])], axis=1)


CASES = {
    "pathwise": {"kind": "pathwise"},
    "score": {"kind": "score"},
    "leave one out": {"kind": "score", "baseline": LeaveOneOut(), "num_samples": 2},
    "leave one out of five": {"kind": "score", "baseline": LeaveOneOut(), "num_samples": 5},
    "proposal": {"kind": "score", "widening": 1.5},
    "proposal, baseline": {
        "kind": "score",
        "widening": 1.5,
        "baseline": LeaveOneOut(),
        "num_samples": 4,
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradient_is_unbiased(case, rng, assert_mean):
    """∂/∂μ E f = 2a and ∂/∂σ E f = 2σ with a = μ − k."""
    assert_mean(gradients(rng, **case), [2 * (MU - K), 2 * SIGMA])


@pytest.mark.parametrize("kind", ["pathwise", "score"])
def test_variance_of_the_one_sample_gradient(kind, rng, assert_mean):
    """4σ² by reparameterization, a⁴/σ² + 14a² + 15σ² by the score function."""
    a = MU - K
    expected = {"pathwise": 4 * SIGMA**2, "score": a**4 / SIGMA**2 + 14 * a**2 + 15 * SIGMA**2}
    deviation = gradients(rng, kind)[:, 0] - 2 * a
    assert_mean(deviation**2, expected[kind])


def test_leave_one_out_reduces_the_variance(rng):
    """By b = E f to 0.48 of it in μ; by b from the 19 other samples to somewhat more."""
    plain, reduced = (
        np.var(gradients(rng, "score", baseline, 20)[:, 0]) for baseline in (None, LeaveOneOut())
    )
    assert 0.4 < reduced / plain < 0.6


def test_mixed_sites(rng, assert_mean):
    """f = (x₁ x₂ − k)² with x₁ pathwise and x₂ by its score.

    E f = (μ₁² + σ₁²)(μ₂² + σ₂²) − 2 k μ₁ μ₂ + k².
    """
    (m1, s1), (m2, s2) = (0.7, 0.4), (-0.5, 0.6)
    parameters = [tf.fill([SAMPLES, 1], value) for value in (m1, s1, m2, s2)]
    epsilon = tf.constant(rng.normal(size=(2, SAMPLES, 1)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        mu1, sigma1, mu2, sigma2 = parameters
        x1 = mu1 + sigma1 * epsilon[0]
        x2 = tf.stop_gradient(mu2 + sigma2 * epsilon[1])
        scores = log_normal(x2, mu2, sigma2)
        losses = tf.vectorized_map(
            lambda pair: surrogate(*pair, tf.zeros(1), NoBaseline()),
            (tf.square(x1 * x2 - K), scores),
        )
    actual = np.concatenate(tape.gradient(losses, parameters), axis=1)
    second1, second2 = m1**2 + s1**2, m2**2 + s2**2
    expected = [
        2 * m1 * second2 - 2 * K * m2,
        2 * s1 * second2,
        2 * m2 * second1 - 2 * K * m1,
        2 * s2 * second1,
    ]
    assert_mean(actual, expected)
