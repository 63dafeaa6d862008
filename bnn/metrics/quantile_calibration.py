"""Calibration of a regression's quantiles, from the probability integral transform (PIT)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import (
    FloatArray,
    IntArray,
    check_num_bins,
    check_probability,
    per_target,
)
from bnn.metrics.mixture import mixture_cdf

# 0.05, 0.10, …, 0.95, at which the calibration of quantiles is shown.
LEVELS = np.linspace(0.05, 0.95, 19)


class PITHistogram(NamedTuple):
    """How the CDF of the predictive at the targets is distributed; flat is calibrated.

    Attributes:
        count: targets in each bin `[M]`; `[D, M]` of several targets.
        edges: edges of the bins `[M + 1]` from 0 to 1; bins are closed on the left, the last one on
            both sides.
    """

    count: IntArray  # type: ignore[assignment]  # hides tuple.count, which has no use here
    edges: FloatArray


def pit_histogram(
    loc: ArrayLike, scale: ArrayLike, targets: ArrayLike, num_bins: int = 10
) -> PITHistogram:
    """Returns the histogram of the probability integral transform, over bins of equal width.

    Counts the values `F_{b,d}(targets[b, d])` of `mixture_cdf`. They are uniform for a calibrated
    model; U-shaped where it is too sure, a hump where it is not sure enough, sloped where biased.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        targets: observations `[B]` or `[B, D]`.
        num_bins: number of bins M, at least 1.

    Raises:
        ValueError: as `mixture_cdf`, or if `num_bins` is not an integer of at least 1.

    References:
        Dawid, "Statistical Theory: The Prequential Approach", JRSS A 147, 1984.
        Gneiting, Balabdaoui and Raftery, "Probabilistic forecasts, calibration and sharpness",
        JRSS B 69, 2007, section 3.1.
    """
    num_bins = check_num_bins(num_bins)
    transform = mixture_cdf(loc, scale, targets)
    columns = transform.reshape(len(transform), -1).T
    counts = [np.histogram(column, num_bins, (0.0, 1.0))[0] for column in columns]
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    return PITHistogram(counts[0] if len(counts) == 1 else np.stack(counts), edges)


def quantile_coverage(
    loc: ArrayLike, scale: ArrayLike, targets: ArrayLike, levels: ArrayLike = LEVELS
) -> FloatArray:
    """Returns the share of targets at or below each predictive quantile.

    `mean_b [F_{b,d}(targets[b, d]) <= p_k]` for the K levels p; equal to p in expectation for
    a calibrated model.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc`.
        targets: observations `[B]` or `[B, D]`.
        levels: probabilities `[K]`, strictly between 0 and 1.

    Returns:
        Shares of the shape of `levels`; one such row for each of several targets.

    Raises:
        ValueError: as `mixture_cdf`, or if a level does not lie strictly between 0 and 1.

    References:
        Kuleshov, Fenner and Ermon, "Accurate Uncertainties for Deep Learning Using Calibrated
        Regression", ICML 2018, section 3.
    """
    checked = check_probability("levels", levels)
    transform = mixture_cdf(loc, scale, targets)
    columns = np.sort(transform.reshape(len(transform), -1), axis=0).T
    shares = [np.searchsorted(column, checked, side="right") / len(column) for column in columns]
    return shares[0] if len(shares) == 1 else np.stack(shares)


def quantile_calibration_error(
    loc: ArrayLike, scale: ArrayLike, targets: ArrayLike
) -> float | FloatArray:
    """Returns the mean gap between the level of a quantile and the share of targets below it.

    `integral_0^1 |G(p) - p| dp` with `G(p)` of `quantile_coverage`, exact rather than over a grid
    of levels: the Wasserstein-1 distance of the transformed targets from the uniform
    distribution, from 0 (calibrated) to 1/2. A sample of N targets of a calibrated model gives
    about `0.31 / sqrt(N)`.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc`.
        targets: observations `[B]` or `[B, D]`.

    Returns:
        A float of one target, `[S, B]` or `[S, B, 1]`; else one number for each of D targets,
        `[D]`, each in its own unit.

    Raises:
        ValueError: as `mixture_cdf`.

    References:
        Kuleshov, Fenner and Ermon, "Accurate Uncertainties for Deep Learning Using Calibrated
        Regression", ICML 2018, section 3 (with squares, over a grid).
    """
    return transform_calibration_error(mixture_cdf(loc, scale, targets))


def transform_calibration_error(transform: FloatArray) -> float | FloatArray:
    """Returns `quantile_calibration_error` from the values of `mixture_cdf` at the targets."""
    columns = np.sort(transform.reshape(len(transform), -1), axis=0).T
    return per_target(np.array([_distance_from_uniform(column) for column in columns]))


def _distance_from_uniform(transform: FloatArray) -> float:
    """The integral for one target, whose sorted values these are."""
    knots = np.concatenate([[0.0], transform, [1.0]])
    share = np.arange(len(knots) - 1) / transform.size  # G between two knots
    below, above = knots[:-1] - share, knots[1:] - share
    # The integral of |t| has the primitive t |t| / 2.
    return float(np.sum(above * np.abs(above) - below * np.abs(below)) / 2.0)
