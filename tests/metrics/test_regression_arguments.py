"""Bad locations, scales and targets are refused with argument, requirement, value and remedy."""

import numpy as np
import pytest

from bnn import metrics
from tests.metrics.arguments import raises, with_value

LOC = np.zeros((2, 3))
TARGETS = np.zeros(3)
SCORED = [
    metrics.log_likelihood,
    metrics.crps,
    metrics.mixture_cdf,
    metrics.interval_coverage,
    metrics.interval_score,
    metrics.pit_histogram,
    metrics.quantile_coverage,
    metrics.quantile_calibration_error,
    metrics.regression_losses,
]
SPREADS = [metrics.predictive_variance, metrics.sharpness, metrics.interval_width]


BAD_LOC = {
    "rank": (
        LOC[0],
        "loc must have shape [S, B] or [S, B, D], got shape (3,). "
        "Add a leading axis of length one for a single sample: loc[None].",
    ),
    "no samples": (
        LOC[:0],
        "loc must hold at least one sample, one example and one dimension, got shape (0, 3). "
        "Draw at least one sample and pass at least one example.",
    ),
    "NaN": (
        with_value(LOC, (1, 2), np.nan),
        "loc must not contain NaN, got NaN at index (1, 2). "
        "Find the step that produced it before scoring the predictions.",
    ),
    "infinite": (
        with_value(LOC, (0, 1), -np.inf),
        "loc must be finite, got -inf at index (0, 1). "
        "Find the step that produced it before scoring the predictions.",
    ),
}


@pytest.mark.parametrize("case", BAD_LOC)
def test_loc(case):
    loc, message = BAD_LOC[case]
    for metric in SCORED:
        with raises(message):
            metric(loc, 1.0, TARGETS)
    with raises(message):
        metrics.rmse(loc, TARGETS)
    for spread in SPREADS:
        with raises(message):
            spread(loc, 1.0)
    with raises(message):
        metrics.quantile(loc, 1.0, 0.5)


BAD_SCALE = {
    "zero": (
        [[1.0], [0.0]],
        "scale must be positive, got 0.0 at index (1, 0). Pass the standard "
        "deviation of the observation noise, not its logarithm.",
    ),
    "negative": (
        -1.5,
        "scale must be positive, got -1.5 at index (). Pass the standard "
        "deviation of the observation noise, not its logarithm.",
    ),
    "NaN": (
        [np.nan, 1.0, 1.0],
        "scale must not contain NaN, got NaN at index (0,). "
        "Find the step that produced it before scoring the predictions.",
    ),
    "shape": (
        np.ones(2),
        "scale must broadcast to the shape of loc, (2, 3), got shape (2,). "
        "Pass a scalar, one value per sample as scale[:, None], or the shape of loc.",
    ),
    "larger than loc": (
        np.ones((5, 2, 3)),
        "scale must broadcast to the shape of loc, (2, 3), got shape (5, 2, 3). "
        "Pass a scalar, one value per sample as scale[:, None], or the shape of loc.",
    ),
}


@pytest.mark.parametrize("case", BAD_SCALE)
def test_scale(case):
    scale, message = BAD_SCALE[case]
    for metric in SCORED:
        with raises(message):
            metric(LOC, scale, TARGETS)
    for spread in SPREADS:
        with raises(message):
            spread(LOC, scale)
    with raises(message):
        metrics.quantile(LOC, scale, 0.5)


BAD_TARGETS = {
    "column": (
        TARGETS[:, None],
        "targets must have the shape of one sample of loc, (3,), got shape (3, 1). Give both or "
        "neither a trailing axis: loc [S, B] with targets [B], or loc [S, B, D] with "
        "targets [B, D].",
    ),
    "NaN": (
        with_value(TARGETS, 1, np.nan),
        "targets must not contain NaN, got NaN at index (1,). "
        "Find the step that produced it before scoring the predictions.",
    ),
    "infinite": (
        with_value(TARGETS, 1, np.inf),
        "targets must be finite, got inf at index (1,). "
        "Find the step that produced it before scoring the predictions.",
    ),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
def test_targets(case):
    targets, message = BAD_TARGETS[case]
    for metric in SCORED:
        with raises(message):
            metric(LOC, 1.0, targets)
    with raises(message):
        metrics.rmse(LOC, targets)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.1])
def test_level(level):
    message = (
        f"level must lie strictly between 0 and 1, got {level}. "
        "Pass a probability, for example 0.95, not a percentage."
    )
    for metric in (metrics.interval_coverage, metrics.interval_score):
        with raises(message):
            metric(LOC, 1.0, TARGETS, level)
    with raises(message):
        metrics.interval_width(LOC, 1.0, level)


@pytest.mark.parametrize("q", [0.0, 1.0, 50.0])
def test_q(q):
    message = (
        f"q must lie strictly between 0 and 1, got {q}. "
        "Pass a probability, for example 0.95, not a percentage."
    )
    with raises(message):
        metrics.quantile(LOC, 1.0, [0.5, q])
