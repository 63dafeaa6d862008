"""What more weight samples would do to the negative log-likelihood."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import FloatArray, IntArray, check_log_likelihoods


class SampleSizeCurve(NamedTuple):
    """The negative log-likelihood against the number of weight samples.

    Attributes:
        num_samples: k = 1 … S, `[S]`.
        nll: mean over examples and subsets of k samples, `[S]`, nats per example.
        limit: estimate for k → ∞, nats per example.
        limit_error: standard error of `limit` over draws of the S samples.
    """

    num_samples: IntArray
    nll: FloatArray
    limit: float
    limit_error: float


def nll_by_num_samples(
    log_likelihoods: ArrayLike, num_orders: int = 32, seed: int = 0
) -> SampleSizeCurve:
    """Returns the NLL of mixtures of k = 1 … S samples, and its limit.

    `L_k = -(1/B) sum_b E log (1/k) sum_{s in K} p(y_b | x_b, w_s)` over subsets K of k samples.
    The expectation is exact for k = 1 and k = S and in between a mean over `num_orders` random
    orders of the samples. By Jensen's inequality `L_k` falls with k, as
    `L_k = L_inf + a / k + O(1/k^2)`; the limit is the jackknife estimate
    `S L_S - (S - 1) (1/S) sum_s L_{-s}`, `L_{-s}` being without sample s, whose bias is
    O(1/S^2). Its standard error is `sqrt((S - 1)/S sum_s (L_{-s} - mean)^2)`. Both are NaN where
    an example has likelihood only under one sample.

    Args:
        log_likelihoods: `log p(y_b | x_b, w_s)`, `[S, B]`, nats, S at least 2; -inf is allowed.
        num_orders: random orders, at least 1.
        seed: of the orders.

    Raises:
        ValueError: if `log_likelihoods` is not `[S, B]` with S of at least 2 and B of at least 1,
            holds NaN or +inf, or `num_orders` is below 1.

    References:
        Nowozin, "Debiasing Evidence Approximations: On Importance-weighted Autoencoders and
        Jackknife Variational Inference", ICLR 2018.
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.
    """
    values = check_log_likelihoods(log_likelihoods)
    if num_orders < 1:
        raise ValueError(f"num_orders must be at least 1, got {num_orders}. Pass for example 32.")
    size = len(values)
    counts = np.arange(1, size + 1)
    rng = np.random.default_rng(seed)
    totals = np.zeros(size)
    for _ in range(num_orders):
        sums = np.logaddexp.accumulate(values[rng.permutation(size)], axis=0)
        totals += np.mean(sums, axis=1)
    curve = np.log(counts) - totals / num_orders
    curve[0] = -np.mean(values)
    curve[-1] = np.log(size) - np.mean(np.logaddexp.reduce(values, axis=0))
    limit, error = _jackknife(curve[-1], _without_each(values))
    return SampleSizeCurve(counts, curve, limit, error)


def _without_each(values: FloatArray) -> FloatArray:
    """`L_{-s}`, `[S]`: sums of what stands before and after s, so that nothing cancels."""
    nothing = np.full((1, values.shape[1]), -np.inf)
    before = np.concatenate([nothing, np.logaddexp.accumulate(values[:-1], axis=0)])
    after = np.concatenate([np.logaddexp.accumulate(values[:0:-1], axis=0)[::-1], nothing])
    return np.log(len(values) - 1) - np.mean(np.logaddexp(before, after), axis=1)


def _jackknife(whole: float, without: FloatArray) -> tuple[float, float]:
    if not np.isfinite(whole) or not np.isfinite(without).all():
        return float("nan"), float("nan")
    size, mean = len(without), float(np.mean(without))
    error = np.sqrt((size - 1) / size * np.sum((without - mean) ** 2))
    return float(size * whole - (size - 1) * mean), float(error)
