"""Normal logits to probabilities: the inverse of what a Dirichlet is in the logits, Monte Carlo."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, softmax

from bnn.predictive import laplace_bridge, probit
from tests.conftest import Z_LIMIT


def logits_of(alpha):
    """The Laplace approximation of Dir(α) in the logits: mean and covariance."""
    size = alpha.shape[1]
    center = np.eye(size) - 1 / size
    mean = np.log(alpha) - np.log(alpha).mean(axis=1, keepdims=True)
    return mean, center @ (np.eye(size) / alpha[:, None]) @ center


def expected_softmax(mean, covariance, rng, count=400_000):
    """Mean of one input's probabilities, and its standard error."""
    probs = softmax(rng.multivariate_normal(mean, covariance, size=count), axis=1)
    return probs.mean(axis=0), probs.std(axis=0) / np.sqrt(count)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_the_bridge_finds_its_dirichlet(size, rng):
    alpha = rng.gamma(2.0, 3.0, size=(20, size)) + 0.1
    mean, covariance = logits_of(alpha)
    said = laplace_bridge(mean, covariance)
    np.testing.assert_allclose(said.concentration, alpha, rtol=1e-9)
    # What softmax does not see: a shift of all logits, known or random.
    shifted = laplace_bridge(mean + 5.0, covariance + 2.0)
    np.testing.assert_allclose(shifted.concentration, alpha, rtol=1e-7)
    # Planted: the variances as they come, with what all logits have in common.
    wrong = laplace_bridge(mean, np.einsum("bcc->bc", covariance + 2.0))
    assert np.abs(wrong.concentration / alpha - 1).max() > 0.5


def test_independent_logits_are_a_diagonal_covariance(rng):
    mean, variance = rng.normal(size=(4, 5)), rng.uniform(0.1, 1, size=(4, 5))
    whole = np.eye(5) * variance[:, None]
    by_variance, by_covariance = laplace_bridge(mean, variance), laplace_bridge(mean, whole)
    np.testing.assert_allclose(by_variance.concentration, by_covariance.concentration, rtol=1e-12)
    np.testing.assert_array_equal(probit(mean, variance), probit(mean, whole))


def test_the_mean_of_the_bridge_against_monte_carlo(rng):
    """Where the variances are a Dirichlet's: to the order that the docstring says."""
    alpha = 30 * np.array([[1.0, 4.0, 5.0]])
    mean, covariance = logits_of(alpha)
    said = laplace_bridge(mean, covariance).mean[0]
    true, error = expected_softmax(mean[0], covariance[0], rng)
    first = (1 - 3 * said) / (2 * alpha.sum())
    assert np.abs((true - said - first) / error).max() < Z_LIMIT
    assert np.abs((true - said) / error).max() > Z_LIMIT
    assert np.abs(true - said).max() < 2e-3


def test_what_the_bridge_is_not(rng):
    """Equal variances, however small: sure predictions become unsure."""
    mean, variance = np.array([[5.0, *[0.0] * 9]]), np.full((1, 10), 1e-4)
    said = laplace_bridge(mean, variance).mean[0, 0]
    true, _ = expected_softmax(mean[0], np.diag(variance[0]), rng, 1000)
    assert true[0] > 0.94
    assert said < 0.7
    np.testing.assert_allclose(probit(mean, variance)[0], true, atol=1e-3)


def test_the_entropies_are_those_of_draws(rng):
    alpha = np.array([[0.5, 2.0, 3.0], [20.0, 1.0, 1.0]])
    mean, covariance = logits_of(alpha)
    said = laplace_bridge(mean, covariance)
    for row in range(2):
        probs = rng.dirichlet(alpha[row], size=100_000)
        own = stats.entropy(probs, axis=1)
        z = (said.aleatoric[row] - own.mean()) / (own.std() / np.sqrt(len(own)))
        assert abs(z) < Z_LIMIT
        np.testing.assert_allclose(said.total[row], stats.entropy(alpha[row] / alpha[row].sum()))
    np.testing.assert_allclose(said.total, said.aleatoric + said.epistemic)


def test_probit_against_quadrature():
    """E of the logistic function of a normal number, by Gauss and Hermite: within 0.02."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    mean, variance = (a.ravel() for a in np.meshgrid([-4.0, -1.0, 0.0, 2.0], [0.0, 0.3, 4.0, 25.0]))
    exact = expit(mean[:, None] + np.sqrt(variance)[:, None] * nodes) @ weights / weights.sum()
    said = probit(mean, variance)
    assert np.abs(said - exact).max() < 0.02
    np.testing.assert_allclose(said[variance == 0], exact[variance == 0], rtol=1e-12)
    two = probit(np.stack([mean / 2, -mean / 2], 1), np.stack([variance, variance], 1))
    same = probit(mean, variance)
    np.testing.assert_allclose(two[:, 0], same, rtol=1e-12)
    assert np.abs(expit(mean) - exact).max() > 0.1  # planted: without the variance


def test_refusals_of_links():
    with pytest.raises(ValueError, match=r"mean must have shape \[B, C\] of at least two class"):
        laplace_bridge([[1.0]], [[1.0]])
    with pytest.raises(ValueError, match=r"covariance must have shape \[B, C, C\], or \[B, C\] of"):
        probit([[1.0, 2.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"variances must be at least 0, got -1; give the covar"):
        probit([[1.0, 2.0]], [[1.0, -1.0]])
    with pytest.raises(ValueError, match=r"must leave every logit a positive variance.*, got 0; "):
        laplace_bridge([[1.0, 2.0]], [[0.0, 0.0]])
    with pytest.raises(ValueError, match=r"must leave every logit a positive variance.*, got 0; "):
        laplace_bridge([[1.0, 2.0]], np.ones((1, 2, 2)))
