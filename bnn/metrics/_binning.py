"""Grouping of examples by a probability, for every calibration error."""

import numpy as np

from bnn.metrics._validation import FloatArray, IntArray

# A mean of samples that is 0.8 on paper may be 0.8000000000000002. Rounding makes such values
# equal again, so that they share a bin and a value on an edge counts as on it.
_DECIMALS = 12


def _equal_width_edges(num_bins: int) -> FloatArray:
    return np.linspace(0.0, 1.0, num_bins + 1)


def _equal_mass_edges(probability: FloatArray, num_bins: int) -> FloatArray:
    """Edges at the empirical quantiles; equal probabilities always fall into one bin."""
    size = len(probability)
    # Integer arithmetic: ceil(m B / M) would be off by one for some m in floating point.
    last = [-(-m * size // num_bins) - 1 for m in range(1, num_bins)]
    return np.concatenate([[0.0], np.sort(probability)[last], [1.0]])


def bin_means(
    probability: FloatArray, outcome: np.ndarray, num_bins: int, equal_mass: bool
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    """Mean probability, mean outcome (NaN where empty) and count of each bin, and the edges.

    Bins are open on the left and closed on the right; the first also holds 0.
    """
    rounded = np.round(probability, _DECIMALS)
    edges = _equal_mass_edges(rounded, num_bins) if equal_mass else _equal_width_edges(num_bins)
    # Only inner edges are searched: a probability that rounding put above 1 is in the last bin.
    bins = np.searchsorted(np.round(edges[1:-1], _DECIMALS), rounded, side="left")
    count = np.bincount(bins, minlength=num_bins)

    def mean(values: np.ndarray) -> FloatArray:
        total = np.bincount(bins, weights=values, minlength=num_bins)
        return np.divide(total, count, out=np.full(num_bins, np.nan), where=count > 0)

    return mean(rounded), mean(outcome), count, edges


def expected_gap(confidence: FloatArray, accuracy: FloatArray, count: IntArray) -> float:
    """`sum_m (n_m / N) |accuracy_m - confidence_m|` over the bins that are not empty."""
    filled = count > 0
    gap = np.abs(accuracy[filled] - confidence[filled])
    return float(np.sum(count[filled] * gap) / np.sum(count))
