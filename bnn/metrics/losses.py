"""Losses of each example, whose mean is the metric: what paired comparisons are made of."""

import math

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import FloatArray, check_loc, check_scale, check_targets
from bnn.metrics.classification import predictive_and_labels
from bnn.metrics.ranked_probability import crps_by_target
from bnn.metrics.regression import log_densities


def classification_losses(log_probs: ArrayLike, labels: ArrayLike) -> dict[str, FloatArray]:
    """Returns the losses `[B]` of each example: `nll` (nats), `error` (0 or 1) and `brier`.

    Their means are the metrics of these names, see `nll`, `error` and `brier`.

    Args:
        log_probs: normalised log-probabilities `[S, B, C]` in nats.
        labels: integer classes `[B]` in `[0, C)`.

    Raises:
        ValueError: as `nll`.
    """
    predictive, classes = predictive_and_labels(log_probs, labels)
    examples = np.arange(len(classes))
    deviation = np.exp(predictive)
    deviation[examples, classes] -= 1.0
    return {
        "nll": -predictive[examples, classes],
        "error": (predictive.argmax(axis=-1) != classes).astype(np.float64),
        "brier": np.sum(deviation**2, axis=-1),
    }


def regression_losses(
    loc: ArrayLike, scale: ArrayLike, targets: ArrayLike
) -> dict[str, FloatArray]:
    """Returns the losses `[B]` of each example: `nll` (nats), `squared_error` and `crps`.

    `nll` is minus the log-density of all dimensions, `-log (1/S) sum_s prod_d N(…)`;
    `squared_error` (squared target units) and `crps` (target units) are means over dimensions.
    The metrics are `-log_likelihood = mean nll`, `rmse = sqrt(mean squared_error)` and
    `crps = mean crps`.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        targets: observations `[B]` or `[B, D]`.

    Raises:
        ValueError: as `log_likelihood`.
    """
    means = check_loc(loc)
    scales = check_scale(scale, means.shape)
    observed = check_targets(targets, means.shape[1:])
    num_examples = means.shape[1]
    densities = log_densities(means, scales, observed)
    squared = (observed - means.mean(axis=0)) ** 2
    return {
        "nll": math.log(len(means)) - np.logaddexp.reduce(densities, axis=0),
        "squared_error": squared.reshape(num_examples, -1).mean(axis=-1),
        "crps": crps_by_target(means, scales, observed).reshape(num_examples, -1).mean(axis=-1),
    }
