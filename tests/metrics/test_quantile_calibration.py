import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from bnn import metrics


@pytest.fixture
def drawn():
    """Targets drawn from their own predictive mixture."""
    rng = np.random.default_rng(5)
    size = 4000
    loc, scale = 2.0 * rng.normal(size=(8, size)), rng.uniform(0.2, 1.5, size=(8, size))
    chosen, columns = rng.integers(8, size=size), np.arange(size)
    return loc, scale, rng.normal(loc[chosen, columns], scale[chosen, columns])


def test_histogram_counts_the_transform(regression):
    loc, scale, targets = regression
    actual = metrics.pit_histogram(loc, scale, targets, num_bins=4)
    transform = scipy.stats.norm.cdf(targets[None], loc, scale).mean(axis=0)
    bins = np.minimum(np.floor(4 * transform), 3)  # the last bin holds 1 as well
    expected = [np.sum(bins == m, axis=0) for m in range(4)]
    np.testing.assert_array_equal(actual.count, np.transpose(expected))
    np.testing.assert_allclose(actual.edges, [0, 0.25, 0.5, 0.75, 1])


def test_histogram_of_calibrated_targets_is_flat(drawn):
    count = metrics.pit_histogram(*drawn, num_bins=10).count
    assert scipy.stats.chisquare(count).pvalue > 1e-8


def test_histogram_shows_what_is_wrong(drawn):
    loc, _, targets = drawn
    too_sure = metrics.pit_histogram(loc.mean(axis=0, keepdims=True), 0.2, targets).count
    assert too_sure[[0, -1]].min() > too_sure[1:-1].max()
    unsure = metrics.pit_histogram(loc.mean(axis=0, keepdims=True), 8.0, targets).count
    assert unsure[[0, -1]].max() < unsure[4:6].min()


def test_coverage_counts_targets_below_the_quantiles(regression):
    loc, scale, targets = regression
    levels = [0.1, 0.5, 0.8]
    expected = [np.mean(targets <= q, axis=0) for q in metrics.quantile(loc, scale, levels)]
    actual = metrics.quantile_coverage(loc, scale, targets, levels)
    np.testing.assert_array_equal(actual, np.transpose(expected))


def test_coverage_of_calibrated_targets_is_the_level(drawn):
    levels = np.linspace(0.05, 0.95, 19)
    actual = metrics.quantile_coverage(*drawn)
    z = (actual - levels) / np.sqrt(levels * (1 - levels) / 4000)
    assert np.abs(z).max() < 6.0  # 19 levels: 4e-8 false alarms over all seeds; this one is fixed


def test_error_is_the_integral(regression):
    loc, scale, targets = regression
    transform = scipy.stats.norm.cdf(targets[None], loc, scale).mean(axis=0)
    expected = []
    for column in transform.reshape(len(transform), -1).T:
        grid = np.sort(np.concatenate([np.linspace(0, 1, 200_001), column]))
        gap = np.abs(np.mean(column[None] <= grid[1:, None], axis=1) - grid[1:])
        expected.append(np.sum(gap * np.diff(grid)))
    actual = metrics.quantile_calibration_error(loc, scale, targets)
    assert np.ravel(actual) == pytest.approx(np.array(expected), abs=1e-5)


def test_error_is_a_wasserstein_distance(drawn):
    transform = metrics.mixture_cdf(*drawn)
    fine = (np.arange(200_000) + 0.5) / 200_000
    expected = scipy.stats.wasserstein_distance(transform, fine)
    assert metrics.quantile_calibration_error(*drawn) == pytest.approx(expected, abs=1e-6)


def test_error_in_closed_form():
    # One target at the median: G = [p >= 1/2], the gap is p below and 1 - p above.
    assert metrics.quantile_calibration_error([[0.0]], 1.0, [0.0]) == pytest.approx(0.25)
    # All targets far below: G = 1 everywhere.
    assert metrics.quantile_calibration_error([[0.0]], 1.0, [-50.0]) == pytest.approx(0.5)
