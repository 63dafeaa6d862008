"""What the draws of Markov chains are worth: effective sample size and R-hat."""

from __future__ import annotations

import numpy as np
from scipy import fft, stats


def effective_sample_size(chain: np.ndarray) -> np.ndarray:
    """Of every column n / (1 + 2 Σ_t ρ_t): how many independent draws have the same error.

    ρ is the autocorrelation, summed over pairs ρ_{2t} + ρ_{2t+1} while they are positive and made
    to fall: Geyer's initial monotone sequence (1992, section 3.3). At most n; 1 for a constant.

    Args:
      chain: draws in the order of the chain, `[n, k]`.
    """
    x = np.asarray(chain, np.float64)
    n = len(x)
    x = x - x.mean(0)
    spectrum = fft.rfft(x, fft.next_fast_len(2 * n), axis=0)
    covariance = fft.irfft(np.abs(spectrum) ** 2, axis=0)[: n - n % 2].real
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = (covariance / covariance[0]).reshape(n // 2, 2, -1).sum(1)
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    falling = np.minimum.accumulate(np.where(positive, pairs, 0.0), axis=0)
    sizes = n / np.maximum(2 * falling.sum(0) - 1, 1.0)
    return np.where(np.ptp(x, axis=0) > 0, sizes, 1.0)


def r_hat(chains: np.ndarray) -> np.ndarray:
    """Rank-normalised split R̂ of every column: 1 where all halves of all chains agree.

    The larger of two (Vehtari et al. 2021, equations 4, 14 and section 3.2): of the draws and of
    their distances from the median, both replaced by normal scores of their ranks, with every chain
    cut into halves of n draws each:

        R̂² = ((n − 1) / n W + B / n) / W,

    W the mean of the halves' variances and B / n the variance of their means. Above 1.01 the chains
    have not mixed. NaN for columns without spread, and for chains of fewer than four draws.

    Args:
      chains: draws in the order of the chains, `[n, chains, k]`.
    """
    x = np.asarray(chains, np.float64)
    if len(x) < 4:
        return np.full(x.shape[2], np.nan)
    half = len(x) // 2
    halves = np.concatenate([x[:half], x[-half:]], axis=1)
    folded = np.abs(halves - np.median(halves, axis=(0, 1)))
    return np.maximum(_r_hat(_normal_scores(halves)), _r_hat(_normal_scores(folded)))


def _normal_scores(draws: np.ndarray) -> np.ndarray:
    """Φ⁻¹((rank − 3/8) / (S + 1/4)), ranks over all draws of a column."""
    flat = draws.reshape(-1, draws.shape[2])
    ranks = stats.rankdata(flat, axis=0)
    return stats.norm.ppf((ranks - 0.375) / (len(flat) + 0.25)).reshape(draws.shape)


def _r_hat(halves: np.ndarray) -> np.ndarray:
    n = len(halves)
    within = halves.var(0, ddof=1).mean(0)
    between = halves.mean(0).var(0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt((n - 1) / n + between / within)
