import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics

from bnn import metrics


@pytest.fixture(params=["continuous", "ties"])
def scores(request):
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=60), rng.normal(1.0, 1.5, size=45)
    return (inside, outside) if request.param == "continuous" else (inside.round(), outside.round())


def test_auroc_is_the_mann_whitney_statistic(scores):
    inside, outside = scores
    u = scipy.stats.mannwhitneyu(outside, inside).statistic
    expected = u / (len(inside) * len(outside))
    assert metrics.detection(inside, outside).auroc == pytest.approx(expected, rel=1e-12)


def average_precision(positive, negative):
    """The sum over distinct thresholds, one at a time; larger scores are called positive."""
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(positive) | set(negative), reverse=True):
        true, false = np.sum(positive >= threshold), np.sum(negative >= threshold)
        recall = true / len(positive)
        total += (recall - recall_before) * true / (true + false)
        recall_before = recall
    return total


def test_both_average_precisions_against_their_definition(scores):
    inside, outside = scores
    actual = metrics.detection(inside, outside)
    assert actual.aupr_out == pytest.approx(average_precision(outside, inside), rel=1e-12)
    assert actual.aupr_in == pytest.approx(average_precision(-inside, -outside), rel=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.8, 0.95, 0.99])
def test_false_positive_rate_against_scikit_learn(scores, rate):
    inside, outside = scores
    is_in = np.concatenate([np.ones(len(inside)), np.zeros(len(outside))])
    false, true, _ = sklearn.metrics.roc_curve(
        is_in, -np.concatenate([inside, outside]), drop_intermediate=False
    )
    # Something must pass: the curve's first point, at the threshold of infinity, does not count.
    expected = false[1:][true[1:] >= max(rate, 1e-9)][0]
    assert metrics.false_positive_rate(inside, outside, rate) == pytest.approx(expected)


def test_of_twenty_the_nineteenth_is_the_threshold():
    inside = np.arange(1.0, 21.0)
    assert metrics.false_positive_rate(inside, [18.5, 19.0, 19.5, 20.0]) == 0.5


def test_separate_and_swapped_scores_are_extremes():
    low, high = np.arange(20.0), np.arange(100.0, 110.0)
    assert metrics.detection(low, high) == pytest.approx((1.0, 1.0, 1.0, 0.0))
    swapped = metrics.detection(high, low)
    assert swapped.auroc == 0.0
    assert swapped.fpr95 == 1.0


def test_the_same_score_everywhere_is_chance():
    actual = metrics.detection(np.zeros(30), np.zeros(10))
    assert actual == pytest.approx((0.5, 0.25, 0.75, 1.0))


def test_normal_scores_have_the_binormal_auroc():
    # AUROC = Phi(d / sqrt 2) for unit normals d apart; its deviation from the true value, in units
    # of the variance by Hanley and McNeil (1982), is a z-score: 6 is 2e-9 over all seeds.
    rng = np.random.default_rng(7)
    size, d = 20_000, 1.0
    actual = metrics.detection(rng.normal(size=size), rng.normal(d, size=size)).auroc
    a = scipy.special.ndtr(d / np.sqrt(2.0))
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    variance = (a * (1 - a) + (size - 1) * (q1 + q2 - 2 * a**2)) / size**2
    assert abs(actual - a) / np.sqrt(variance) < 6.0
