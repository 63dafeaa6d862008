import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from bnn import metrics


def test_rmse_against_scikit_learn(regression):
    loc, _, targets = regression
    several = {"multioutput": "raw_values"} if targets.ndim > 1 else {}
    squared = sklearn.metrics.mean_squared_error(targets, loc.mean(axis=0), **several)
    expected = np.sqrt(squared)
    assert metrics.rmse(loc, targets) == pytest.approx(expected, rel=1e-12)


def test_rmse_is_of_the_mean_of_the_samples():
    assert metrics.rmse([[1.0], [3.0]], [2.0]) == 0.0


def test_log_likelihood_against_scipy(regression):
    loc, scale, targets = regression
    expected = []
    for b in range(len(targets)):
        densities = [
            scipy.stats.multivariate_normal.pdf(
                np.atleast_1d(targets[b]),
                np.atleast_1d(loc[s, b]),
                np.diag(np.atleast_1d(scale[s, b]) ** 2),
            )
            for s in range(len(loc))
        ]
        expected.append(np.log(np.mean(densities)))
    actual = metrics.log_likelihood(loc, scale, targets)
    assert actual == pytest.approx(np.mean(expected), rel=1e-12)


def test_log_likelihood_is_a_density_per_target_unit(regression):
    loc, scale, targets = regression
    num_dims = targets[0].size
    actual = metrics.log_likelihood(100.0 * loc, 100.0 * scale, 100.0 * targets)
    expected = metrics.log_likelihood(loc, scale, targets) - num_dims * np.log(100.0)
    assert actual == pytest.approx(expected, rel=1e-12)


def test_log_likelihood_far_out_stays_finite():
    actual = metrics.log_likelihood([[0.0], [1.0]], 1.0, [1000.0])
    expected = scipy.stats.norm.logpdf(999.0) - np.log(2.0)
    assert actual == pytest.approx(expected, rel=1e-12)


def test_dimensions_share_the_sample():
    # Both samples explain one dimension well: the product of the marginals would be larger.
    loc = [[[0.0, 9.0]], [[9.0, 0.0]]]
    joint = metrics.log_likelihood(loc, 1.0, [[0.0, 0.0]])
    density = scipy.stats.norm.pdf(0.0) * scipy.stats.norm.pdf(9.0)
    assert joint == pytest.approx(np.log(density), rel=1e-12)


def test_variance_is_that_of_the_mixture(regression):
    loc, scale, _ = regression
    variance = metrics.predictive_variance(loc, scale)
    second_moment = (loc**2 + scale**2).mean(axis=0)
    np.testing.assert_allclose(variance.total, second_moment - loc.mean(axis=0) ** 2, rtol=1e-9)
    np.testing.assert_allclose(variance.aleatoric, (scale**2).mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(variance.epistemic, np.var(loc, axis=0), rtol=1e-14)


@pytest.mark.parametrize("shape", [(), (1,), (6,), (5, 1), (1, 6), (5, 6)])
def test_scale_broadcasts_to_loc(shape):
    rng = np.random.default_rng(4)
    loc, targets = rng.normal(size=(5, 6)), rng.normal(size=6)
    scale = rng.uniform(0.5, 2.0, size=shape)
    full = np.array(np.broadcast_to(scale, (5, 6)))
    for metric in (metrics.log_likelihood, metrics.crps, metrics.interval_coverage):
        assert metric(loc, scale, targets) == metric(loc, full, targets)
    np.testing.assert_array_equal(
        metrics.quantile(loc, scale, 0.3), metrics.quantile(loc, full, 0.3)
    )
    variance = metrics.predictive_variance(loc, scale)
    np.testing.assert_allclose(variance.aleatoric, (full**2).mean(axis=0), rtol=1e-14)
