"""Calibration of the top label: reliability table and expected calibration error."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._binning import bin_means, expected_gap
from bnn.metrics._validation import FloatArray, IntArray, check_num_bins
from bnn.metrics.classification import predictive_and_labels


class Reliability(NamedTuple):
    """The table behind a reliability diagram of M bins.

    Attributes:
        confidence: mean predicted probability of the top label in each bin `[M]`; NaN if empty.
        accuracy: share of right predictions in each bin `[M]`; NaN if empty.
        count: number of examples in each bin `[M]`.
        edges: edges of the bins `[M + 1]` from 0 to 1; bin m is `(edges[m], edges[m + 1]]`.
    """

    confidence: FloatArray
    accuracy: FloatArray
    count: IntArray  # type: ignore[assignment]  # hides tuple.count, which has no use here
    edges: FloatArray


def reliability(
    log_probs: ArrayLike, labels: ArrayLike, num_bins: int = 15, equal_mass: bool = False
) -> Reliability:
    """Returns confidence and accuracy of the predictive mixture, binned by confidence.

    The confidence of example b is `max_c p(c | x_b)` of the mixture over samples, the prediction
    its argmax (the lowest index of equally probable classes). Bins are open on the left and closed
    on the right. Equal-width bins divide `[0, 1]`; equal-mass bins divide the sorted confidences
    into groups of B/M, except that equal confidences stay together, so the table does not depend
    on the order of the examples, and bins are uneven or empty where there are many ties.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.
        num_bins: number of bins M, at least 1.
        equal_mass: whether bins hold equal numbers of examples instead of being equally wide.

    Raises:
        ValueError: if `log_probs` is not `[S, B, C]`, has an empty axis, holds NaN or does not
            sum to one over classes; if `labels` are not integers of shape `[B]` in `[0, C)`; if
            `num_bins` is not an integer of at least 1.

    References:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (equal width).
        Nguyen and O'Connor, "Posterior calibration and exploratory analysis for natural language
        processing models", EMNLP 2015 (equal mass).
    """
    predictive, classes = predictive_and_labels(log_probs, labels)
    num_bins = check_num_bins(num_bins)
    right = predictive.argmax(axis=-1) == classes
    return Reliability(*bin_means(np.exp(predictive.max(axis=-1)), right, num_bins, equal_mass))


def _expected_gap(table: Reliability) -> float:
    return expected_gap(table.confidence, table.accuracy, table.count)


def ece(log_probs: ArrayLike, labels: ArrayLike, num_bins: int = 15) -> float:
    """Returns the expected calibration error of the top label over bins of equal width.

    `sum_m (n_m / B) |accuracy_m - confidence_m|` over the M = `num_bins` bins of `reliability`,
    in `[0, 1]`; empty bins add nothing. The estimate is biased upwards, more so for more bins.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.
        num_bins: number of bins M, at least 1.

    Raises:
        ValueError: as `reliability`.

    References:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    return _expected_gap(reliability(log_probs, labels, num_bins))


def ece_equal_mass(log_probs: ArrayLike, labels: ArrayLike, num_bins: int = 15) -> float:
    """Returns the expected calibration error of the top label over bins of equal mass.

    `sum_m (n_m / B) |accuracy_m - confidence_m|` as in `ece`, with bins that hold equal numbers
    of examples (up to ties, see `reliability`).

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.
        num_bins: number of bins M, at least 1.

    Raises:
        ValueError: as `reliability`.

    References:
        Nguyen and O'Connor, "Posterior calibration and exploratory analysis for natural language
        processing models", EMNLP 2015.
    """
    return _expected_gap(reliability(log_probs, labels, num_bins, equal_mass=True))
