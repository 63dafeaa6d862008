import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from bnn import metrics


def test_cdf_against_scipy(regression):
    loc, scale, targets = regression
    expected = scipy.stats.norm.cdf(targets[None], loc, scale).mean(axis=0)
    np.testing.assert_allclose(metrics.mixture_cdf(loc, scale, targets), expected, rtol=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_coverage_counts_targets_between_the_quantiles(regression, level):
    loc, scale, targets = regression
    lower, upper = metrics.quantile(loc, scale, [(1 - level) / 2, (1 + level) / 2])
    expected = np.mean((targets >= lower) & (targets <= upper), axis=0)
    actual = metrics.interval_coverage(loc, scale, targets, level)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 0.95])
def test_coverage_of_targets_drawn_from_the_predictive_is_the_level(level):
    rng = np.random.default_rng(5)
    size = 4000
    loc = 2.0 * rng.normal(size=(8, size))
    scale = rng.uniform(0.2, 1.5, size=(8, size))
    chosen = rng.integers(8, size=size)
    columns = np.arange(size)
    targets = rng.normal(loc[chosen, columns], scale[chosen, columns])
    z = (metrics.interval_coverage(loc, scale, targets, level) - level) / np.sqrt(
        level * (1 - level) / size
    )
    assert abs(z) < 6.0  # four levels: 8e-9 false alarms over all seeds; this one is fixed


def test_coverage_extremes():
    assert metrics.interval_coverage([[0.0, 0.0]], 1.0, [0.0, 50.0], 0.5) == 0.5
    assert metrics.interval_coverage([[0.0]], 1.0, [-1.959963984540054 - 1e-9]) == 0.0
    assert metrics.interval_coverage([[0.0]], 1.0, [-1.959963984540054 + 1e-9]) == 1.0


@pytest.mark.parametrize("q", [1e-6, 0.025, 0.5, 0.9, 1 - 1e-6])
def test_quantile_against_a_scalar_root_finder(regression, q):
    loc, scale, _ = regression
    actual = metrics.quantile(loc, scale, q)
    assert actual.shape == loc.shape[1:]
    for index in np.ndindex(actual.shape):
        m, s = loc[(slice(None), *index)], scale[(slice(None), *index)]

        def excess(y, m=m, s=s):
            return scipy.stats.norm.cdf(y, m, s).mean() - q

        expected = scipy.optimize.brentq(excess, -50.0, 70.0, xtol=1e-13, rtol=1e-14)
        assert actual[index] == pytest.approx(expected, rel=1e-9)


def test_quantile_inverts_the_cdf(regression):
    loc, scale, targets = regression
    probability = metrics.mixture_cdf(loc, scale, targets)
    for index in np.ndindex(targets.shape):
        if 1e-6 < probability[index] < 1 - 1e-6:
            found = metrics.quantile(loc, scale, probability[index])[index]
            assert found == pytest.approx(targets[index], rel=1e-8)


def test_quantile_of_one_normal():
    actual = metrics.quantile([[3.0, -1.0]], [[2.0, 0.5]], [0.025, 0.975])
    expected = scipy.stats.norm.ppf([[0.025], [0.975]], [3.0, -1.0], [2.0, 0.5])
    np.testing.assert_allclose(actual, expected, rtol=1e-14)


def test_quantile_shapes_follow_q_then_loc():
    loc = np.zeros((4, 5, 2))
    assert metrics.quantile(loc, 1.0, 0.5).shape == (5, 2)
    assert metrics.quantile(loc, 1.0, [0.1, 0.5, 0.9]).shape == (3, 5, 2)
    assert metrics.quantile(loc, 1.0, [[0.1], [0.9]]).shape == (2, 1, 5, 2)


def test_quantile_where_the_cdf_is_flat_between_two_modes():
    low, high = metrics.quantile([[-1000.0], [1000.0]], 1.0, [0.25, 0.75])
    np.testing.assert_allclose([low, high], [[-1000.0], [1000.0]], rtol=1e-12)
    # Every point of the gap has a CDF of one half: the median is where that begins.
    assert -1000.0 < metrics.quantile([[-1000.0], [1000.0]], 1.0, 0.5)[0] < -990.0


def test_quantile_with_very_different_scales():
    loc, scale = [[0.0], [0.0]], [[1e-6], [1e6]]
    upper = metrics.quantile(loc, scale, 0.6)
    np.testing.assert_allclose(metrics.mixture_cdf(loc, scale, upper), 0.6, rtol=1e-6)
