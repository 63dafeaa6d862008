"""z-scores of sample means: their law, far out and for skewed samples, and what they resolve."""

import numpy as np
import pytest
from scipy import stats

from bnn.diagnostics import Verdict
from bnn.diagnostics.statistic import Statistic

LEVEL = 1e-8


def statistic_of(samples, exact=0.0, scale=1.0):
    statistic = Statistic("name", np.full(samples.shape[1], exact), scale)
    for part in np.array_split(samples, 3):
        statistic.add(part)
    return statistic


def test_tails_of_skewed_samples_are_normal(rng):
    # Skewness over root n is 0.1, the largest in the contract; below −3.5 t itself is found five
    # times as often as a normal number.
    k = 40_000
    statistic = Statistic("name", np.ones(k), 1.0)
    for _ in range(8):
        statistic.add(rng.exponential(size=(50, k)))
    z = statistic.z
    for limit in (2.0, 3.0, 3.5):
        expected = stats.norm.sf(limit)
        for side in (z > limit, z < -limit):
            assert side.mean() < 2 * expected + 4 * np.sqrt(expected / k)
            assert side.mean() > 0.4 * expected - 4 * np.sqrt(expected / k)


def test_a_shift_is_found_and_stated_relative_to_the_scale(rng):
    row = statistic_of(rng.normal(0.3, 1.0, (4096, 5)), scale=2.0).row(LEVEL)
    assert row.verdict is Verdict.FAIL
    assert row.statistic == pytest.approx(0.15, abs=0.05)
    assert row.z > row.limit


def test_sound_means_pass(rng):
    row = statistic_of(rng.normal(0.0, 1.0, (4096, 500))).row(LEVEL)
    assert row.verdict is Verdict.PASS
    assert abs(row.z) < 5
    assert row.limit == pytest.approx(stats.norm.isf(LEVEL / 1000))


def test_too_few_draws_are_unresolved(rng):
    row = statistic_of(rng.normal(0.0, 100.0, (4096, 5))).row(LEVEL)
    assert row.verdict is Verdict.UNRESOLVED
    assert "raise max_draws" in row.note


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_fail(bad, rng):
    samples = rng.normal(size=(4096, 3))
    samples[17, 1] = bad
    assert statistic_of(samples).row(LEVEL).verdict is Verdict.FAIL


def test_rounding_is_no_deviation():
    samples = np.full((4096, 3), 1.0 + 1e-6)
    row = statistic_of(samples, exact=1.0).row(LEVEL)
    assert row.verdict is Verdict.PASS
    assert abs(row.z) < 1


def test_products_agree_with_samples_of_products(rng):
    values, weights = rng.normal(size=(500, 4)), rng.uniform(0.5, 1.5, size=(500, 1))
    pairs = np.triu_indices(4)
    exact = rng.normal(size=len(pairs[0]))
    products = Statistic("name", exact, 1.0)
    products.add_products(values, pairs, weights)
    samples = Statistic("name", exact, 1.0)
    samples.add(weights * values[:, pairs[0]] * values[:, pairs[1]])
    np.testing.assert_allclose(products.z, samples.z, rtol=1e-8)
    np.testing.assert_allclose(products.standard_error, samples.standard_error, rtol=1e-8)
