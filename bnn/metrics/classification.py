"""Scores of class predictions: likelihood, accuracy and Brier score of the predictive mixture."""

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import FloatArray, IntArray, check_labels, check_log_probs, log_sums


def _predictive(log_probs: FloatArray) -> FloatArray:
    return log_sums(log_probs, axis=0) - np.log(len(log_probs))


def predictive_and_labels(log_probs: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Checks both arguments and returns the predictive log-probabilities `[B, C]` and labels."""
    samples = check_log_probs(log_probs)
    checked_labels = check_labels(labels, *samples.shape[1:])
    return _predictive(samples), checked_labels


def predictive_log_probs(log_probs: ArrayLike) -> FloatArray:
    """Returns the log-probabilities of the predictive mixture over posterior samples.

    `log p(c | x_b) = log (1/S) sum_s exp(log_probs[s, b, c])`, in log space throughout.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats; -inf is allowed.

    Returns:
        Log-probabilities `[B, C]` in nats.

    Raises:
        ValueError: if `log_probs` is not `[S, B, C]`, has an empty axis, holds NaN or does not
            sum to one over classes.
    """
    return _predictive(check_log_probs(log_probs))


def nll(log_probs: ArrayLike, labels: ArrayLike) -> float:
    """Returns the mean negative log-likelihood of the predictive mixture, in nats per example.

    `-(1/B) sum_b log (1/S) sum_s exp(log_probs[s, b, labels[b]])`; infinite if every sample gives
    some true class the probability zero.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.

    Raises:
        ValueError: if `log_probs` is not as `predictive_log_probs` requires, or `labels` are not
            integers of shape `[B]` in `[0, C)`.
    """
    predictive, classes = predictive_and_labels(log_probs, labels)
    return float(-np.mean(predictive[np.arange(len(classes)), classes]))


def accuracy(log_probs: ArrayLike, labels: ArrayLike) -> float:
    """Returns the share of examples whose most probable class under the mixture is the label.

    `(1/B) sum_b [argmax_c p(c | x_b) == labels[b]]`, in `[0, 1]`; of equally probable classes the
    one with the lowest index is predicted.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.

    Raises:
        ValueError: as `nll`.
    """
    predictive, classes = predictive_and_labels(log_probs, labels)
    return float(np.mean(predictive.argmax(axis=-1) == classes))


def error(log_probs: ArrayLike, labels: ArrayLike) -> float:
    """Returns the share of examples classified wrongly, `1 - accuracy(log_probs, labels)`.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.

    Raises:
        ValueError: as `nll`.
    """
    predictive, classes = predictive_and_labels(log_probs, labels)
    return float(np.mean(predictive.argmax(axis=-1) != classes))


def brier(log_probs: ArrayLike, labels: ArrayLike) -> float:
    """Returns the Brier score of the predictive mixture: 0 is perfect, 2 is certain and wrong.

    `(1/B) sum_b sum_c (p(c | x_b) - [c == labels[b]])^2`: summed over classes, averaged over
    examples. Some authors halve the sum for two classes or average over classes; this does not.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.

    Raises:
        ValueError: as `nll`.

    References:
        Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather
        Review 78, 1950.
    """
    predictive, classes = predictive_and_labels(log_probs, labels)
    deviation = np.exp(predictive)
    deviation[np.arange(len(classes)), classes] -= 1.0
    return float(np.mean(np.sum(deviation**2, axis=-1)))
