"""Checks of the arguments that the metrics share.

Each check returns the argument as an array, or raises `ValueError` that names the argument, the
requirement, the value seen and the remedy.
"""

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer]

# Far above the rounding of a float32 log-softmax (about 1e-6), far below any real mistake.
_NORMALISATION_TOLERANCE = 1e-4
_BLOCK = 2**20  # values
# Distance of neighbouring means in units of scale: takes at most 0.002 nats off a log-density.
_COARSEST = 0.2


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _as_floats(name: str, value: ArrayLike) -> FloatArray:
    array = np.asarray(value)
    if not np.can_cast(array.dtype, np.float64, "same_kind"):
        raise ValueError(
            f"{name} must be an array of real numbers, got dtype {array.dtype}. "
            "Pass a NumPy array or an eager tensor of floats."
        )
    array = array.astype(np.float64, copy=False)
    if np.isnan(array).any():
        raise ValueError(
            f"{name} must not contain NaN, got NaN at index {_first(np.isnan(array))}. "
            "Find the step that produced it before scoring the predictions."
        )
    return array


def _as_finite(name: str, value: ArrayLike) -> FloatArray:
    array = _as_floats(name, value)
    infinite = np.isinf(array)
    if infinite.any():
        where = _first(infinite)
        raise ValueError(
            f"{name} must be finite, got {array[where]} at index {where}. "
            "Find the step that produced it before scoring the predictions."
        )
    return array


def log_sums(values: FloatArray, axis: int) -> FloatArray:
    """`log sum exp(values)` of `[S, B, C]` over samples or classes, some examples at a time.

    SciPy holds several arrays of the size of its argument.
    """
    rows = max(1, _BLOCK // max(1, values.shape[0] * values.shape[2]))
    starts = range(0, max(1, values.shape[1]), rows)
    blocks = [logsumexp(values[:, start : start + rows], axis=axis) for start in starts]
    if len(blocks) == 1:
        return np.asarray(blocks[0])
    return np.concatenate(blocks, axis=0 if axis == 0 else 1)


def check_log_probs(log_probs: ArrayLike) -> FloatArray:
    """Normalised log-probabilities `[S, B, C]`, no axis empty; -inf is a probability of zero."""
    array = _as_floats("log_probs", log_probs)
    if array.ndim != 3:
        raise ValueError(
            f"log_probs must have shape [S, B, C], got shape {array.shape}. "
            "Add a leading axis of length one for a single sample: log_probs[None]."
        )
    if 0 in array.shape:
        raise ValueError(
            "log_probs must hold at least one sample, one example and one class, got shape "
            f"{array.shape}. Draw at least one sample and pass at least one example."
        )
    log_total = log_sums(array, axis=2)
    wrong = ~(np.abs(log_total) <= _NORMALISATION_TOLERANCE)
    if wrong.any():
        where = _first(wrong)
        raise ValueError(
            "log_probs must be log-probabilities that sum to one over the last axis, got a "
            f"log-sum of {log_total[where]:.6g} instead of 0 at (sample, example) {where}. "
            "Apply log_softmax to logits, in float32 or better, or the logarithm to probabilities."
        )
    return array


def check_labels(labels: ArrayLike, num_examples: int, num_classes: int) -> IntArray:
    """Integer labels `[B]` in `[0, C)`."""
    array = np.asarray(labels)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"labels must be integers, got dtype {array.dtype}. "
            "Take the argmax of one-hot labels, or cast with labels.astype(int)."
        )
    if array.shape != (num_examples,):
        raise ValueError(
            f"labels must have shape ({num_examples},), one per example of log_probs, got shape "
            f"{array.shape}. Pass the labels of the same examples, without further axes."
        )
    wrong = (array < 0) | (array >= num_classes)
    if wrong.any():
        where = _first(wrong)
        raise ValueError(
            f"labels must lie in [0, {num_classes}), got {array[where]} at index {where[0]}. "
            "Number the classes from 0 in the order of the last axis of log_probs."
        )
    return array


def check_num_bins(num_bins: int) -> int:
    """A number of bins, at least one."""
    if not isinstance(num_bins, numbers.Integral) or num_bins < 1:
        raise ValueError(
            f"num_bins must be an integer of at least 1, got {num_bins!r}. Pass for example 15."
        )
    return int(num_bins)


def check_loc(loc: ArrayLike) -> FloatArray:
    """Finite means `[S, B]` or `[S, B, D]`, no axis empty."""
    array = _as_finite("loc", loc)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"loc must have shape [S, B] or [S, B, D], got shape {array.shape}. "
            "Add a leading axis of length one for a single sample: loc[None]."
        )
    if array.size == 0:
        raise ValueError(
            "loc must hold at least one sample, one example and one dimension, got shape "
            f"{array.shape}. Draw at least one sample and pass at least one example."
        )
    return array


def check_scale(scale: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Finite positive standard deviations, broadcast to the shape of `loc`."""
    array = _as_finite("scale", scale)
    if (array <= 0).any():
        where = _first(array <= 0)
        raise ValueError(
            f"scale must be positive, got {array[where]} at index {where}. Pass the standard "
            "deviation of the observation noise, not its logarithm."
        )
    try:
        return np.broadcast_to(array, shape)
    except ValueError as mismatch:
        raise ValueError(
            f"scale must broadcast to the shape of loc, {shape}, got shape {array.shape}. "
            "Pass a scalar, one value per sample as scale[:, None], or the shape of loc."
        ) from mismatch


def check_components(loc: ArrayLike, scale: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations in double precision, as `check_loc` and `check_scale`.

    Means that were rounded to single precision before are refused where it shows: near 1e6 such
    numbers are 0.06 apart, which takes nats off the likelihood of a noise of that size.
    """
    means = check_loc(loc)
    scales = check_scale(scale, means.shape)
    given = np.asarray(loc).dtype
    if given.kind == "f" and given.itemsize < np.dtype(np.float64).itemsize:
        spacing = np.finfo(given).eps * np.abs(means)
        coarse = spacing > _COARSEST * scales
        if coarse.any():
            where = _first(coarse)
            raise ValueError(
                f"loc must be exact to a fraction of scale, got {given} means near "
                f"{means[where]:.4g}, which are {spacing[where]:.2g} apart, with scale "
                f"{scales[where]:.2g} at index {where}. Bring standardised means into the target's "
                "unit in float64: loc.astype(numpy.float64) * target_scale + target_loc."
            )
    return means, scales


def per_target(values: FloatArray) -> Any:
    """A float of one target, `[]` or `[1]`; else the values `[D]` as they are.

    Targets have units of their own: nothing is averaged over them.
    """
    return float(values.reshape(())) if values.size == 1 else values


def check_targets(targets: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Finite targets of the shape of one sample of `loc`."""
    array = _as_finite("targets", targets)
    if array.shape != shape:
        raise ValueError(
            f"targets must have the shape of one sample of loc, {shape}, got shape {array.shape}. "
            "Give both or neither a trailing axis: loc [S, B] with targets [B], or loc [S, B, D] "
            "with targets [B, D]."
        )
    return array


def check_probability(name: str, value: ArrayLike) -> FloatArray:
    """Probabilities strictly between 0 and 1."""
    array = _as_floats(name, value)
    wrong = ~((array > 0) & (array < 1))
    if wrong.any():
        raise ValueError(
            f"{name} must lie strictly between 0 and 1, got {array[_first(wrong)]}. "
            "Pass a probability, for example 0.95, not a percentage."
        )
    return array


def check_share(name: str, value: float) -> float:
    """One number in [0, 1)."""
    share = _as_floats(name, value)
    if share.ndim != 0 or not 0 <= share < 1:
        raise ValueError(
            f"{name} must be one number in [0, 1), got {value!r}. "
            "Pass a fraction, for example 0.01, not a percentage."
        )
    return float(share)


def check_vector(
    name: str, value: ArrayLike, like: tuple[str, FloatArray] | None = None
) -> FloatArray:
    """Finite numbers `[N]`, N at least 1 and, where given, that of another vector."""
    array = _as_finite(name, value)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{name} must be a vector of at least one number, got shape {array.shape}. "
            "Pass one number for each example."
        )
    if like is not None and len(array) != len(like[1]):
        raise ValueError(
            f"{name} must have the length of {like[0]}, {len(like[1])}, got {len(array)}. "
            "Pass one number for each of the same examples."
        )
    return array


def check_log_likelihoods(log_likelihoods: ArrayLike) -> FloatArray:
    """Log-likelihoods `[S, B]`, S at least 2; -inf is a likelihood of zero."""
    array = _as_floats("log_likelihoods", log_likelihoods)
    if array.ndim != 2 or len(array) < 2 or array.size == 0:
        raise ValueError(
            "log_likelihoods must have shape [S, B] with S of at least 2 and B of at least 1, got "
            f"shape {array.shape}. Pass one row for each weight sample, and at least two."
        )
    if (array == np.inf).any():
        raise ValueError(
            "log_likelihoods must not be +inf, got +inf at index "
            f"{_first(array == np.inf)}. Find the step that produced it before scoring."
        )
    return array
