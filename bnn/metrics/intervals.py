"""Central predictive intervals of a regression: how wide they are, and what they are worth."""

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import (
    FloatArray,
    check_components,
    check_probability,
    check_targets,
    per_target,
)
from bnn.metrics.mixture import quantile
from bnn.metrics.regression import predictive_variance


def sharpness(loc: ArrayLike, scale: ArrayLike) -> float | FloatArray:
    """Returns the root mean predictive variance, in target units.

    `sqrt(mean_b Var[y_{b,d}])` with the total variance of the mixture, `predictive_variance`.
    It judges the predictions alone: of two calibrated models the sharper is the better one, but a
    sharp model need not be calibrated.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).

    Returns:
        A float of one target, `[S, B]` or `[S, B, 1]`; else one number for each of D targets,
        `[D]`, each in its own unit.

    Raises:
        ValueError: as `predictive_variance`.

    References:
        Gneiting, Balabdaoui and Raftery, "Probabilistic forecasts, calibration and sharpness",
        JRSS B 69, 2007.
        Kuleshov, Fenner and Ermon, "Accurate Uncertainties for Deep Learning Using Calibrated
        Regression", ICML 2018, section 3 (the mean variance; this is its root).
    """
    return per_target(np.sqrt(np.mean(predictive_variance(loc, scale).total, axis=0)))


def interval_width(loc: ArrayLike, scale: ArrayLike, level: float = 0.95) -> float | FloatArray:
    """Returns the mean width of the central predictive intervals, in target units.

    `mean_b (u - l)` with l and u the quantiles `(1 - level)/2` and `(1 + level)/2` of the
    mixture.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc`.
        level: mass of the interval, strictly between 0 and 1.

    Returns:
        A float of one target, `[S, B]` or `[S, B, 1]`; else one number for each of D targets,
        `[D]`, each in its own unit.

    Raises:
        ValueError: as `quantile`, or if `level` does not lie strictly between 0 and 1.
    """
    lower, upper = _bounds(loc, scale, level)
    return per_target(np.mean(upper - lower, axis=0))


def interval_score(
    loc: ArrayLike, scale: ArrayLike, targets: ArrayLike, level: float = 0.95
) -> float | FloatArray:
    """Returns the mean interval score, in target units; lower is better.

    `(u - l) + (2/a) max(l - y, 0) + (2/a) max(y - u, 0)` with `a = 1 - level` and l, u the
    quantiles a/2 and 1 - a/2 of the mixture, averaged over examples. It is proper:
    the narrow interval is rewarded, a target outside it costs its distance.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        targets: observations `[B]` or `[B, D]`.
        level: mass of the interval, strictly between 0 and 1.

    Returns:
        A float of one target, `[S, B]` or `[S, B, 1]`; else one number for each of D targets,
        `[D]`, each in its own unit.

    Raises:
        ValueError: as `interval_coverage`.

    References:
        Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA
        102, 2007, equation 43.
    """
    means, scales = check_components(loc, scale)
    observed = check_targets(targets, means.shape[1:])
    lower, upper = _bounds(means, scales, level)
    outside = np.maximum(lower - observed, 0.0) + np.maximum(observed - upper, 0.0)
    return per_target(np.mean(upper - lower + 2.0 / (1.0 - level) * outside, axis=0))


def _bounds(loc: ArrayLike, scale: ArrayLike, level: float) -> FloatArray:
    mass = check_probability("level", level)
    return quantile(loc, scale, [(1.0 - mass) / 2.0, (1.0 + mass) / 2.0])
