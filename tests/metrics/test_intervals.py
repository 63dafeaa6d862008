import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from bnn import metrics


def test_sharpness_is_the_spread_of_draws_in_closed_form(regression):
    loc, scale, _ = regression
    second_moment = np.mean(scale**2 + loc**2, axis=0)
    variance = second_moment - loc.mean(axis=0) ** 2
    assert metrics.sharpness(loc, scale) == pytest.approx(np.sqrt(variance.mean(axis=0)), rel=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_width_of_one_normal_in_closed_form(level):
    scale = np.array([[1.0, 3.0]])
    expected = 2 * scipy.stats.norm.ppf((1 + level) / 2) * 2.0
    assert metrics.interval_width([[5.0, -5.0]], scale, level) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_score_against_the_definition_target_by_target(regression, level):
    loc, scale, targets = regression
    alpha = 1 - level
    lower, upper = metrics.quantile(loc, scale, [alpha / 2, 1 - alpha / 2])
    total = np.zeros(targets.shape[1:])
    for place in np.ndindex(targets.shape):
        low, high, y = lower[place], upper[place], targets[place]
        total[place[1:]] += high - low
        if y < low:
            total[place[1:]] += 2 / alpha * (low - y)
        if y > high:
            total[place[1:]] += 2 / alpha * (y - high)
    actual = metrics.interval_score(loc, scale, targets, level)
    assert actual == pytest.approx(total / len(targets), rel=1e-9)


def test_score_is_a_sum_of_two_pinball_losses(regression):
    # Gneiting and Raftery: the interval score is 2/alpha times the sum of both quantile losses.
    loc, scale, targets = regression
    levels = [0.05, 0.95]
    pinball = sum(
        np.mean(np.maximum(p * (targets - q), (p - 1) * (targets - q)), axis=0)
        for p, q in zip(levels, metrics.quantile(loc, scale, levels), strict=True)
    )
    actual = metrics.interval_score(loc, scale, targets, 0.9)
    assert actual == pytest.approx(2 / 0.1 * pinball, rel=1e-9)


def test_score_is_proper():
    """The expected score under N(0, 1) has its minimum at the predictive N(0, 1)."""

    # The mean over evenly spaced quantiles of N(0, 1) is the integral over it.
    targets = scipy.stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)

    def expected(loc, scale):
        return metrics.interval_score(np.full((1, targets.size), loc), scale, targets, 0.8)

    best = expected(0.0, 1.0)
    assert best < min(expected(0.1, 1.0), expected(0.0, 1.1), expected(0.0, 0.9))


@pytest.mark.parametrize("metric", [metrics.sharpness, metrics.interval_width])
def test_units(regression, metric):
    loc, scale, _ = regression
    assert metric(10 * loc + 3, 10 * scale) == pytest.approx(10 * metric(loc, scale), rel=1e-9)
