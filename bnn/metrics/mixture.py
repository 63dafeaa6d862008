"""The predictive mixture of normals as a distribution: CDF, quantiles and interval coverage."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from bnn.metrics._validation import (
    FloatArray,
    check_components,
    check_probability,
    check_targets,
    per_target,
)

# Each halves the bracket: 64 leave less of it than the precision of a double.
_BISECTIONS = 64


def _cdf(loc: FloatArray, scale: FloatArray, at: FloatArray) -> FloatArray:
    return ndtr((at - loc) / scale).mean(axis=0)


def mixture_cdf(loc: ArrayLike, scale: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Returns the CDF of the predictive mixture at the targets, per dimension.

    `F_b(y) = (1/S) sum_s Phi((y - loc[s, b]) / scale[s, b])` at `y = targets[b]`. For a calibrated
    model these values are uniform on `[0, 1]` (the probability integral transform).

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        targets: where to evaluate, `[B]` or `[B, D]` in target units.

    Returns:
        Probabilities of the shape of `targets`.

    Raises:
        ValueError: if `loc` is not `[S, B]` or `[S, B, D]` or has an empty axis, `targets` has
            another shape than one sample of `loc`, any argument is not finite, or `scale` is not
            positive or does not broadcast to `loc`.
    """
    means, scales = check_components(loc, scale)
    return _cdf(means, scales, check_targets(targets, means.shape[1:]))


def interval_coverage(
    loc: ArrayLike, scale: ArrayLike, targets: ArrayLike, level: float = 0.95
) -> float | FloatArray:
    """Returns the share of targets inside the central predictive interval of mass `level`.

    `mean_b [(1 - level)/2 <= F_{b,d}(targets[b, d]) <= (1 + level)/2]` with the exact CDF of
    `mixture_cdf`; a calibrated model gives `level` in expectation.

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
        ValueError: as `mixture_cdf`, or if `level` does not lie strictly between 0 and 1.
    """
    mass = check_probability("level", level)
    probability = mixture_cdf(loc, scale, targets)
    inside = (probability >= (1.0 - mass) / 2.0) & (probability <= (1.0 + mass) / 2.0)
    return per_target(np.mean(inside, axis=0))


def quantile(loc: ArrayLike, scale: ArrayLike, q: ArrayLike) -> FloatArray:
    """Returns quantiles of the predictive mixture, per dimension, in target units.

    The smallest y with `(1/S) sum_s Phi((y - loc[s, b]) / scale[s, b]) >= q`, by bisection between
    the smallest and the largest q-quantile of the S normals, which always enclose it. A band of
    mass 0.95 is `lower, upper = quantile(loc, scale, [0.025, 0.975])`.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        q: a probability or an array of them, strictly between 0 and 1.

    Returns:
        Quantiles of shape `q.shape + [B]` or `q.shape + [B, D]`.

    Raises:
        ValueError: if `loc` is not `[S, B]` or `[S, B, D]`, has an empty axis or is not finite, if
            `scale` is not finite and positive or does not broadcast to `loc`, or if `q` does not
            lie strictly between 0 and 1.
    """
    means, scales = check_components(loc, scale)
    probability = check_probability("q", q)
    found = [_bisect(means, scales, float(p)) for p in probability.flat]
    return np.reshape(found, probability.shape + means.shape[1:])


def _bisect(loc: FloatArray, scale: FloatArray, q: float) -> FloatArray:
    components = loc + scale * ndtri(q)
    lower, upper = components.min(axis=0), components.max(axis=0)
    for _ in range(_BISECTIONS):
        middle = lower + (upper - lower) / 2.0
        below = _cdf(loc, scale, middle) < q
        lower = np.where(below, middle, lower)
        upper = np.where(below, upper, middle)
    return upper
