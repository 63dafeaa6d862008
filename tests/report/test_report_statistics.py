import math

import numpy as np
import pytest
import scipy.stats

from bnn.report.statistics import (
    Difference,
    Estimate,
    mean_and_error,
    paired_bootstrap,
    paired_t,
)


def test_mean_and_error_against_scipy():
    values = np.random.default_rng(0).normal(size=20)
    actual = mean_and_error(values)
    assert actual.mean == pytest.approx(values.mean())
    assert actual.error == pytest.approx(scipy.stats.sem(values))
    assert actual.number == 20


def test_mean_of_few_or_missing_values():
    assert mean_and_error([2.5]) == Estimate(2.5, None, 1)
    assert mean_and_error([1.0, math.nan, 3.0]) == Estimate(2.0, 1.0, 2)
    assert math.isnan(mean_and_error([math.nan]).mean)
    assert mean_and_error([]).number == 0
    infinite = mean_and_error([1.0, math.inf])
    assert infinite.mean == math.inf
    assert math.isnan(infinite.error)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_paired_t_against_scipy(level):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=8), rng.normal(0.5, 1.0, size=8)
    actual = paired_t(first, second, level)
    expected = scipy.stats.ttest_rel(second, first)
    interval = expected.confidence_interval(level)
    assert (actual.lower, actual.upper) == pytest.approx((interval.low, interval.high))
    assert actual.p_value == pytest.approx(expected.pvalue)
    assert actual.mean == pytest.approx(np.mean(second - first))
    assert actual.number == 8


def test_the_correction_for_overlap_in_closed_form():
    """Twenty splits of 90/10: Nadeau and Bengio raise the variance from 1/20 to 1/20 + 1/9."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=20), rng.normal(0.5, 1.0, size=20)
    plain, corrected = paired_t(first, second), paired_t(first, second, overlap=1 / 9)
    ratio = (corrected.upper - corrected.lower) / (plain.upper - plain.lower)
    assert ratio == pytest.approx(math.sqrt((1 / 20 + 1 / 9) / (1 / 20)))
    assert corrected.mean == plain.mean
    statistic = plain.mean / (np.std(second - first, ddof=1) * math.sqrt(1 / 20 + 1 / 9))
    assert corrected.p_value == pytest.approx(2 * scipy.stats.t.sf(abs(statistic), 19))


def test_equal_differences_have_no_spread():
    assert paired_t([1.0, 2.0], [1.5, 2.5]) == Difference(0.5, 0.5, 0.5, 2, 0.0)
    assert paired_t([1.0, 2.0], [1.0, 2.0]) == Difference(0.0, 0.0, 0.0, 2, 1.0)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0], [2.0], r"of one length of at least 2, got shapes \(1,\) and \(1,\)"),
        ([1.0, 2.0], [2.0], r"got shapes \(2,\) and \(1,\); give the metric of both models"),
        ([1.0, math.inf], [1.0, 2.0], r"must be finite, got \[1\.0, inf\] and .*leave such"),
    ],
)
def test_bad_pairs(first, second, message):
    with pytest.raises(ValueError, match=message):
        paired_t(first, second)


def test_bootstrap_against_scipy():
    rng = np.random.default_rng(3)
    first, second = rng.exponential(size=200), rng.exponential(1.3, size=200)
    actual = paired_bootstrap([(first[None], second[None])], resamples=9999)
    expected = scipy.stats.bootstrap(
        (first, second),
        lambda a, b, axis: np.mean(b, axis=axis) - np.mean(a, axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=9999,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    error = np.std(second - first) / np.sqrt(200)
    # The ends are quantiles of 9,999 draws: a standard error of about 0.027 of that of the mean.
    assert actual.lower == pytest.approx(expected.low, abs=0.2 * error)
    assert actual.upper == pytest.approx(expected.high, abs=0.2 * error)
    assert actual.mean == pytest.approx(np.mean(second - first))
    assert actual.number == 200


def test_pairing_takes_the_difficulty_of_the_examples_out():
    rng = np.random.default_rng(4)
    difficulty = 10 * rng.exponential(size=500)
    first, second = difficulty, difficulty + rng.normal(0.1, 0.2, size=500)
    actual = paired_bootstrap([(first, second)])
    half = 1.96 * np.std(second - first) / np.sqrt(500)
    assert (actual.upper - actual.lower) / 2 == pytest.approx(half, rel=0.1)
    assert actual.sign == 1


def test_runs_on_one_test_set_share_the_drawn_examples():
    """Two runs with opposite differences cancel example by example, so nothing varies."""
    wiggle = np.random.default_rng(5).normal(size=100)
    first = np.zeros((2, 100))
    second = np.stack([wiggle, 0.3 - wiggle])
    actual = paired_bootstrap([(first, second)])
    assert (actual.lower, actual.mean, actual.upper) == pytest.approx((0.15, 0.15, 0.15))


def test_strata_are_drawn_apart():
    """The error of the mean of two independent test sets is smaller by the root of two."""
    rng = np.random.default_rng(6)
    sets = [(np.zeros(400), rng.normal(size=400)) for _ in range(2)]
    one, two = paired_bootstrap(sets[:1]), paired_bootstrap(sets)
    assert (one.upper - one.lower) / (two.upper - two.lower) == pytest.approx(2**0.5, rel=0.12)
    assert two.number == 800
    assert two.mean == pytest.approx(np.mean([b.mean() for _, b in sets]))


def test_rmse_is_the_mean_over_runs_of_roots():
    rng = np.random.default_rng(7)
    first, second = rng.exponential(size=(3, 50)), rng.exponential(2.0, size=(3, 50))
    actual = paired_bootstrap([(first, second)], transform=np.sqrt)
    expected = np.mean(np.sqrt(second.mean(axis=1)) - np.sqrt(first.mean(axis=1)))
    assert actual.mean == pytest.approx(expected)
    assert actual.lower < expected < actual.upper


def test_coverage_of_the_bootstrap():
    # 95 % intervals of 250 data sets of 100 examples: between 88 % and 99.5 % cover 0, bounds
    # 3.5 and more binomial deviations (0.0145) from the true coverage, about 0.94.
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(250):
        first = rng.normal(size=100)
        found = paired_bootstrap([(first, rng.normal(size=100))], resamples=200)
        covered += found.lower <= 0 <= found.upper
    assert 0.88 < covered / 250 < 0.995


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(9)
    stratum = (rng.normal(size=30), rng.normal(size=30))
    assert paired_bootstrap([stratum]) == paired_bootstrap([stratum])
    assert paired_bootstrap([stratum], seed=1) != paired_bootstrap([stratum])


def test_bad_strata():
    with pytest.raises(ValueError, match=r"strata must hold at least one test set, got none\."):
        paired_bootstrap([])
    with pytest.raises(ValueError, match=r"must have one shape \[R, B\], got \(1, 3\) and \(1, 2"):
        paired_bootstrap([(np.zeros(3), np.zeros(2))])


def test_sign():
    assert Difference(1.0, 0.5, 1.5, 3).sign == 1
    assert Difference(-1.0, -1.5, -0.5, 3).sign == -1
    assert Difference(0.1, -0.5, 0.7, 3).sign == 0
