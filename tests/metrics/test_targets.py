"""Several targets with units of their own, and targets far from zero."""

import re

import numpy as np
import pytest
import scipy.stats

from bnn import metrics

# Metrics of (loc, scale, targets), and whether they have the unit of the target.
OF_EACH = {
    "rmse": (lambda loc, scale, targets: metrics.rmse(loc, targets), True),
    "crps": (metrics.crps, True),
    "interval_score": (metrics.interval_score, True),
    "sharpness": (lambda loc, scale, targets: metrics.sharpness(loc, scale), True),
    "interval_width": (lambda loc, scale, targets: metrics.interval_width(loc, scale), True),
    "interval_coverage": (metrics.interval_coverage, False),
    "quantile_calibration_error": (metrics.quantile_calibration_error, False),
    "quantile_coverage": (metrics.quantile_coverage, False),
    "pit_histogram": (lambda *arrays: metrics.pit_histogram(*arrays).count, False),
}


@pytest.fixture
def two():
    """Predictions of a temperature and of a pressure a thousand times its size."""
    rng = np.random.default_rng(3)
    units = np.array([1.0, 1000.0])
    loc, scale = rng.normal(size=(4, 50, 2)) * units, rng.uniform(0.3, 2.0, (4, 50, 2)) * units
    return loc, scale, rng.normal(size=(50, 2)) * units


@pytest.mark.parametrize("name", OF_EACH)
def test_each_target_is_judged_by_itself(two, name):
    """Power: a mean over both would be that of the pressure alone."""
    metric, has_unit = OF_EACH[name]
    found = metric(*two)
    assert len(found) == 2
    for d in range(2):
        alone = metric(*(array[..., d] for array in two))
        assert found[d] == pytest.approx(alone, rel=1e-12)
        column = metric(*(array[..., d : d + 1] for array in two))
        assert type(column) is type(alone)  # one target is one number, however it is written
    factor = np.array([1.0, 7.0])
    scaled = metric(*(array * factor for array in two))
    assert scaled[0] == pytest.approx(found[0], rel=1e-12)
    assert scaled[1] == pytest.approx(found[1] * (7.0 if has_unit else 1.0), rel=1e-9)


def test_the_likelihood_is_joint(two):
    """A sum over targets within each sample: one number, which a unit shifts by its logarithm."""
    loc, scale, targets = two
    density = scipy.stats.norm.logpdf(targets, loc, scale).sum(axis=-1)
    expected = np.mean(np.log(np.mean(np.exp(density), axis=0)))
    assert metrics.log_likelihood(*two) == pytest.approx(expected, rel=1e-12)
    scaled = metrics.log_likelihood(*(array * [1.0, 7.0] for array in two))
    assert scaled == pytest.approx(expected - np.log(7.0), rel=1e-12)


def test_losses_and_scores_carry_the_names(two):
    losses = metrics.regression_losses(*two, names=("temperature", "pressure"))
    assert list(losses) == [
        "nll",
        *(f"{m}/{t}" for m in ("squared_error", "crps") for t in ("temperature", "pressure")),
    ]
    rmse = np.sqrt(losses["squared_error/pressure"].mean())
    assert rmse == pytest.approx(metrics.rmse(two[0], two[2])[1])
    scores = metrics.regression_scores(*two[:2])
    assert list(scores) == ["predictive_std/target_0", "predictive_std/target_1"]
    total = metrics.predictive_variance(*two[:2]).total
    np.testing.assert_allclose(scores["predictive_std/target_1"] ** 2, total[:, 1])
    one = metrics.regression_scores(two[0][..., 0], two[1][..., 0])
    assert list(one) == ["predictive_std"]


def test_names_of_metrics():
    assert metrics.by_target("rmse", [2.0]) == {"rmse": 2.0}
    assert metrics.by_target("rmse", [2.0, 3.0], ["a", "b"]) == {"rmse/a": 2.0, "rmse/b": 3.0}
    assert metrics.by_target("rmse", [2.0, 3.0]) == {"rmse/target_0": 2.0, "rmse/target_1": 3.0}
    units = metrics.by_target("rmse", [2.0, 3.0], ["speed, km/h", "b"])
    assert units == {"rmse/speed, km/h": 2.0, "rmse/b": 3.0}
    for names in (["a"], ["a", "a"]):
        with pytest.raises(
            ValueError,
            match=r"^names must be 2 different ones, one for each target, got "
            + re.escape(f"{names}. Name the columns of the targets, or leave names out."),
        ):
            metrics.by_target("rmse", [2.0, 3.0], names)


def test_targets_far_from_zero_lose_no_digit():
    """Near 1e6 with a noise of 0.05: every metric is that of the same predictions near zero."""
    rng = np.random.default_rng(4)
    loc, scale = 0.1 * rng.normal(size=(8, 40)), np.full((8, 40), 0.05)
    targets = 0.1 * rng.normal(size=40)
    near, far = (loc, scale, targets), (loc + 1e6, scale, targets + 1e6)
    for metric, _ in OF_EACH.values():
        assert metric(*far) == pytest.approx(metric(*near), rel=1e-6)
    likelihood = metrics.log_likelihood(*near)
    assert metrics.log_likelihood(*far) == pytest.approx(likelihood, abs=1e-6)
    levels = [0.025, 0.5, 0.975]
    quantiles = metrics.quantile(*near[:2], levels)
    np.testing.assert_allclose(metrics.quantile(*far[:2], levels) - 1e6, quantiles, atol=1e-8)
    single = far[0].astype(np.float32).astype(np.float64), *far[1:]
    off = metrics.regression_losses(*single)["nll"] - metrics.regression_losses(*near)["nll"]
    assert np.abs(off).max() > 0.2  # what the check below is for


def test_means_that_single_precision_has_rounded_away_are_refused():
    loc = np.full((2, 3), 1e6, np.float32)
    calls = [metrics.log_likelihood, metrics.crps, metrics.interval_score, metrics.mixture_cdf]
    for metric in calls:
        with pytest.raises(
            ValueError,
            match=r"^loc must be exact to a fraction of scale, got float32 means near 1e\+06, "
            r"which are 0\.12 apart, with scale 0\.05 at index \(0, 0\)\. Bring standardised means "
            r"into the target's unit in float64: loc\.astype\(numpy\.float64\) \* target_scale",
        ):
            metric(loc, 0.05, np.full(3, 1e6))
    metrics.log_likelihood(loc, 1.0, np.full(3, 1e6))  # fine enough for this noise
    metrics.log_likelihood(loc.astype(np.float64), 0.05, np.full(3, 1e6))
