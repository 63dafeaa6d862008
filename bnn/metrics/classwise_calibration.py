"""Calibration of every class probability, not of the top label alone."""

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._binning import bin_means, expected_gap
from bnn.metrics._validation import check_num_bins, check_share
from bnn.metrics.classification import predictive_and_labels


def ece_classwise(
    log_probs: ArrayLike, labels: ArrayLike, num_bins: int = 15, threshold: float = 0.0
) -> float:
    """Returns the classwise calibration error over bins of equal width.

    `(1/C) sum_c sum_m (n_cm / N_c) |frequency_cm - confidence_cm|`: for each class c the examples
    are binned by p(c | x_b) of the predictive mixture into M = `num_bins` bins of equal width;
    `confidence_cm` is the mean of p(c | x_b) in bin m, `frequency_cm` the share of its examples
    with label c, n_cm its size and N_c their sum. Each class is calibrated like a two-class
    problem of its own, so a wrong probability of a class that is never predicted counts as well.
    Known as static calibration error, or classwise-ECE.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.
        num_bins: number of bins M of each class, at least 1.
        threshold: probabilities below it are left out, so that many small ones do not drown the
            rest; N_c counts what is left, and a class without any adds 0. In `[0, 1)`.

    Raises:
        ValueError: as `reliability`, or if `threshold` does not lie in `[0, 1)`.

    References:
        Nixon et al., "Measuring Calibration in Deep Learning", CVPR Workshops 2019.
        Kull et al., "Beyond temperature scaling", NeurIPS 2019.
    """
    return _classwise(log_probs, labels, num_bins, threshold, equal_mass=False)


def ece_adaptive(
    log_probs: ArrayLike, labels: ArrayLike, num_bins: int = 15, threshold: float = 0.0
) -> float:
    """Returns the adaptive calibration error: classwise, over bins of equal mass.

    `(1/C) sum_c sum_r (n_cr / N_c) |frequency_cr - confidence_cr|` as in `ece_classwise`, where
    the R = `num_bins` ranges of class c hold equal numbers of examples (up to ties, which stay
    together). Without ties n_cr / N_c = 1/R, the weight of the paper. With a threshold it is the
    thresholded adaptive calibration error. The equal-mass error of the top label alone, which some
    call by the same name, is `ece_equal_mass`.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.
        num_bins: number of ranges R of each class, at least 1.
        threshold: probabilities below it are left out, as in `ece_classwise`. In `[0, 1)`.

    Raises:
        ValueError: as `ece_classwise`.

    References:
        Nixon et al., "Measuring Calibration in Deep Learning", CVPR Workshops 2019.
    """
    return _classwise(log_probs, labels, num_bins, threshold, equal_mass=True)


def _classwise(
    log_probs: ArrayLike, labels: ArrayLike, num_bins: int, threshold: float, equal_mass: bool
) -> float:
    predictive, classes = predictive_and_labels(log_probs, labels)
    num_bins = check_num_bins(num_bins)
    threshold = check_share("threshold", threshold)
    total = 0.0
    num_classes = predictive.shape[-1]
    for c in range(num_classes):
        probability = np.exp(predictive[:, c])
        kept = probability >= threshold
        if kept.any():
            table = bin_means(probability[kept], classes[kept] == c, num_bins, equal_mass)
            total += expected_gap(*table[:3])
    return total / num_classes
