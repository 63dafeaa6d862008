"""Scores of real-valued predictions: RMSE, log-likelihood and the split of the variance.

The predictive of an example is the uniform mixture over S posterior samples of normals with mean
`loc[s]` and observation noise `scale[s]`, all in the unit of the targets. Several targets have
units of their own: the likelihood is joint, everything else is of each target by itself.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from bnn.metrics._validation import (
    FloatArray,
    check_components,
    check_loc,
    check_targets,
    per_target,
)


class PredictiveVariance(NamedTuple):
    """The variance of the predictive mixture in its two parts.

    Attributes:
        aleatoric: mean variance of the observation noise, `[B]` or `[B, D]`, squared target units.
        epistemic: variance of the mean over samples, `[B]` or `[B, D]`, squared target units.
    """

    aleatoric: FloatArray
    epistemic: FloatArray

    @property
    def total(self) -> FloatArray:
        """The variance of the mixture, `aleatoric + epistemic`."""
        return self.aleatoric + self.epistemic


def rmse(loc: ArrayLike, targets: ArrayLike) -> float | FloatArray:
    """Returns the root mean squared error of the mean of the mixture, in target units.

    `sqrt(mean_b (targets[b, d] - (1/S) sum_s loc[s, b, d])^2)`.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        targets: observations `[B]` or `[B, D]`.

    Returns:
        A float of one target, `[S, B]` or `[S, B, 1]`; else one number for each of D targets,
        `[D]`, each in its own unit.

    Raises:
        ValueError: if `loc` is not `[S, B]` or `[S, B, D]` or has an empty axis, `targets` has
            another shape than one sample of `loc`, or either is not finite.
    """
    means = check_loc(loc)
    observed = check_targets(targets, means.shape[1:])
    return per_target(np.sqrt(np.mean((observed - means.mean(axis=0)) ** 2, axis=0)))


def log_likelihood(loc: ArrayLike, scale: ArrayLike, targets: ArrayLike) -> float:
    """Returns the mean log predictive density, in nats per example.

    `(1/B) sum_b log (1/S) sum_s prod_d N(targets[b, d]; loc[s, b, d], scale[s, b, d]^2)`: the
    dimensions of one example share the sample, so they are independent only given it. It is a
    density per target unit: multiplying the targets by k takes away `D log k`.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        targets: observations `[B]` or `[B, D]`.

    Raises:
        ValueError: if `loc` or `targets` is not as `rmse` requires, or `scale` is not finite and
            positive or does not broadcast to `loc`.
    """
    means, scales = check_components(loc, scale)
    observed = check_targets(targets, means.shape[1:])
    per_example = logsumexp(log_densities(means, scales, observed), axis=0)
    return float(np.mean(per_example) - math.log(len(means)))


def log_densities(loc: FloatArray, scale: FloatArray, targets: FloatArray) -> FloatArray:
    """Log-densities `[S, B]` of checked targets under each sample, summed over dimensions."""
    z = (targets - loc) / scale
    log_density = -0.5 * z**2 - np.log(scale) - 0.5 * math.log(2.0 * math.pi)
    return log_density.reshape(*loc.shape[:2], -1).sum(axis=-1)


def predictive_variance(loc: ArrayLike, scale: ArrayLike) -> PredictiveVariance:
    """Returns the variance of the mixture, split by the law of total variance.

    `aleatoric = (1/S) sum_s scale[s]^2` and
    `epistemic = (1/S) sum_s (loc[s] - (1/S) sum_t loc[t])^2`.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).

    Raises:
        ValueError: if `loc` is not `[S, B]` or `[S, B, D]`, has an empty axis or is not finite,
            or `scale` is not finite and positive or does not broadcast to `loc`.
    """
    means, scales = check_components(loc, scale)
    return PredictiveVariance(aleatoric=np.mean(scales**2, axis=0), epistemic=means.var(axis=0))
