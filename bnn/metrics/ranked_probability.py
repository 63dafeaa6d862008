"""The continuous ranked probability score of the predictive mixture of normals."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf

from bnn.metrics._validation import FloatArray, check_components, check_targets, per_target

# Elements of one temporary array, 2 MB: the S^2 pairs are never held at once.
_CHUNK_ELEMENTS = 2**18


def crps(loc: ArrayLike, scale: ArrayLike, targets: ArrayLike) -> float | FloatArray:
    """Returns the mean continuous ranked probability score, in target units; lower is better.

    For one target y and predictive CDF F it is `integral (F(t) - [t >= y])^2 dt`, in closed form

    `(1/S) sum_s A(y - loc[s], scale[s]^2)
    - 1/(2 S^2) sum_s sum_t A(loc[s] - loc[t], scale[s]^2 + scale[t]^2)`

    with `A(m, v) = E|N(m, v)| = 2 sqrt(v) phi(m / sqrt(v)) + m (2 Phi(m / sqrt(v)) - 1)`, averaged
    over examples. Time grows with S^2, memory with S only. As the scale goes to
    zero and with S = 1 it is the absolute error.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        targets: observations `[B]` or `[B, D]`.

    Returns:
        A float of one target, `[S, B]` or `[S, B, 1]`; else one number for each of D targets,
        `[D]`, each in its own unit.

    Raises:
        ValueError: if `loc` is not `[S, B]` or `[S, B, D]` or has an empty axis, `targets` has
            another shape than one sample of `loc`, any argument is not finite, or `scale` is not
            positive or does not broadcast to `loc`.

    References:
        Grimit et al., "The continuous ranked probability score for circular variables and its
        application to mesoscale forecast ensemble verification", Quarterly Journal of the Royal
        Meteorological Society 132, 2006, equation 5.
    """
    means, scales = check_components(loc, scale)
    observed = check_targets(targets, means.shape[1:])
    return per_target(np.mean(crps_by_target(means, scales, observed), axis=0))


def crps_by_target(loc: FloatArray, scale: FloatArray, targets: FloatArray) -> FloatArray:
    """The score of each of the checked targets, of their shape."""
    num_samples = len(loc)
    columns = (loc.reshape(num_samples, -1), scale.reshape(num_samples, -1), targets.ravel())
    width = max(1, _CHUNK_ELEMENTS // num_samples)
    scores = [
        _crps(*(column[..., start : start + width] for column in columns))
        for start in range(0, targets.size, width)
    ]
    return np.concatenate(scores).reshape(targets.shape)


def _crps(loc: FloatArray, scale: FloatArray, targets: FloatArray) -> FloatArray:
    """The score `[N]` of N targets under mixtures `[S, N]`."""
    num_samples = len(loc)
    to_target = _mean_absolute(targets - loc, scale).mean(axis=0)
    # Pairs (s, t) and (t, s) are equal: twice those with t > s, and the S with t = s.
    among = _mean_absolute(np.zeros_like(loc), math.sqrt(2.0) * scale).sum(axis=0)
    for s in range(num_samples - 1):
        spread = np.hypot(scale[s], scale[s + 1 :])
        among += 2.0 * _mean_absolute(loc[s] - loc[s + 1 :], spread).sum(axis=0)
    return to_target - among / (2.0 * num_samples**2)


def _mean_absolute(mean: FloatArray, std: FloatArray) -> FloatArray:
    """`E|X|` of a normal X, the function A of the mean and the square root of the variance."""
    z = mean / (math.sqrt(2.0) * std)
    return mean * erf(z) + math.sqrt(2.0 / math.pi) * std * np.exp(-(z**2))
