import functools
import math

import numpy as np
import pytest
import scipy.stats

from bnn.report import statistics
from bnn.report.statistics import (
    ROOT,
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


def test_test_sets_without_a_common_row_are_independent():
    """The error of the mean of two independent test sets is smaller by the root of two."""
    rng = np.random.default_rng(6)
    sets = [(np.zeros(400), rng.normal(size=400)) for _ in range(2)]
    apart = [np.arange(400), np.arange(400, 800)]
    one, two = paired_bootstrap(sets[:1]), paired_bootstrap(sets, rows=apart)
    assert (one.upper - one.lower) / (two.upper - two.lower) == pytest.approx(2**0.5, rel=0.12)
    assert two.number == 800
    assert two.mean == pytest.approx(np.mean([b.mean() for _, b in sets]))


def test_rmse_is_the_mean_over_runs_of_roots():
    rng = np.random.default_rng(7)
    first, second = rng.exponential(size=(3, 50)), rng.exponential(2.0, size=(3, 50))
    actual = paired_bootstrap([(first, second)], transform=ROOT)
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
    with pytest.raises(ValueError, match=r"losses of both models must be finite, got an infinite"):
        paired_bootstrap([(np.zeros(3), np.array([0.0, np.inf, 0.0]))])
    stratum = (np.zeros(3), np.zeros(3))
    with pytest.raises(
        ValueError,
        match=r"^rows must say which examples the 2 test sets share, got none; pass the identity "
        r"of every example, or compare by paired_t with its overlap\.$",
    ):
        paired_bootstrap([stratum, stratum])
    for rows in ([[0, 1]], [[0, 1, 1]], [[0.0, 1.0, 2.0]], [[0, 1, 2], [3, 4, 5]]):
        with pytest.raises(
            ValueError, match=r"^rows must be distinct integers, one for each of the \[3\] examples"
        ):
            paired_bootstrap([stratum], rows=rows)


def test_a_row_that_every_split_tests_is_one_observation():
    """Twenty copies of one test set are no more than the one; taken for independent, 4.5 times."""
    difference = np.random.default_rng(10).normal(size=100)
    stratum = (np.zeros(100), difference)
    one = paired_bootstrap([stratum])
    same = paired_bootstrap([stratum] * 20, rows=[np.arange(100)] * 20)
    assert (same.lower, same.mean, same.upper) == pytest.approx((one.lower, one.mean, one.upper))
    assert same.number == 100
    apart = paired_bootstrap([stratum] * 20, rows=np.arange(2000).reshape(20, 100))
    width = (same.upper - same.lower) / (apart.upper - apart.lower)
    assert width == pytest.approx(20**0.5, rel=0.12)


def test_one_example_a_split_is_a_sample_of_as_many():
    """Leave-one-out: twenty test sets of one row each are one test set of twenty."""
    difference = np.random.default_rng(11).normal(size=20)
    each = [(np.zeros(1), difference[i : i + 1]) for i in range(20)]
    rows = np.arange(20)[:, None]
    apart = paired_bootstrap(each, rows=rows)
    together = paired_bootstrap([(np.zeros(20), difference)])
    assert apart == pytest.approx(together)


def test_few_examples_stretch_the_interval():
    """Of n examples by sqrt(n / (n - 1)) t / z, which gives Student's interval for normal ones."""
    difference = np.random.default_rng(12).normal(size=8)
    found = paired_bootstrap([(np.zeros(8), difference)], resamples=20000)
    expected = scipy.stats.t.interval(0.95, 7, difference.mean(), scipy.stats.sem(difference))
    assert found.upper - found.lower == pytest.approx(expected[1] - expected[0], rel=0.06)


# Data sets of N rows, J random splits of them, test rows of each, share of the variance that
# belongs to the row: what is measured of one row in several splits has this correlation.
SETTINGS = [
    (308, 20, 31, 0.0),
    (308, 20, 31, 0.5),
    (308, 20, 31, 0.9),
    (308, 20, 31, 1.0),
    (506, 20, 51, 0.9),
    (308, 5, 31, 0.9),
    (60, 10, 6, 0.9),
    (1000, 1, 100, 0.9),
    (60, 1, 12, 0.5),
    (60, 1, 6, 0.5),
]


def splits(rng, num_rows, num_splits, num_test, share):
    """Losses without a difference between the models in truth, and the rows of each split."""
    effect = np.sqrt(share) * rng.normal(size=num_rows)
    strata, rows = [], []
    for _ in range(num_splits):
        drawn = rng.permutation(num_rows)[:num_test]
        difference = effect[drawn] + np.sqrt(1 - share) * rng.normal(size=num_test)
        first = rng.normal(size=num_test)
        strata.append((first[None], (first + difference)[None]))
        rows.append(drawn)
    return strata, rows


def covers(found):
    return found.lower <= 0 <= found.upper


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_both_intervals_cover_overlapping_splits(setting, monkeypatch):
    """Between 93 and 97 % of 1,500 data sets, plus and minus 3.5 deviations of 0.0056.

    The corrected t interval assumes that differences belong to the rows (Nadeau and Bengio); where
    they do not it is too wide, never too narrow. Planted: rows taken for independent cover 78 % of
    the third setting, plain t intervals 80 %.
    """
    # The same rows are drawn for every data set of as many, as one seed does: kept, not drawn anew.
    kept = functools.lru_cache(maxsize=None)(statistics._weights.__wrapped__)
    monkeypatch.setattr(statistics, "_weights", kept)
    num_rows, num_splits, num_test, share = setting
    rng = np.random.default_rng([13, num_rows, num_splits, num_test, int(10 * share)])
    boot = corrected = 0
    for _ in range(1500):
        strata, rows = splits(rng, *setting)
        boot += covers(paired_bootstrap(strata, resamples=1000, rows=rows))
        if num_splits > 1:
            means = np.array([[a.mean(), b.mean()] for a, b in strata]).T
            corrected += covers(paired_t(*means, overlap=num_test / (num_rows - num_test)))
    slack = 3.5 * 0.0056
    assert 0.93 - slack < boot / 1500 < 0.97 + slack
    if num_splits > 1:
        assert 0.93 - slack < corrected / 1500
        assert corrected / 1500 < (0.97 + slack if share >= 0.9 else 1.001)


def test_rows_taken_for_independent_are_caught():
    """The everyday sample of the simulation, and the defect that it is for: 100 data sets."""
    rng = np.random.default_rng(14)
    right = wrong = 0
    for _ in range(100):
        strata, rows = splits(rng, 308, 20, 31, 0.9)
        right += covers(paired_bootstrap(strata, resamples=300, rows=rows))
        apart = [np.arange(31) + 31 * j for j in range(20)]
        wrong += covers(paired_bootstrap(strata, resamples=300, rows=apart))
    assert right >= 87
    assert wrong <= 87
    assert right > wrong + 5


def test_sign():
    assert Difference(1.0, 0.5, 1.5, 3).sign == 1
    assert Difference(-1.0, -1.5, -0.5, 3).sign == -1
    assert Difference(0.1, -0.5, 0.7, 3).sign == 0
