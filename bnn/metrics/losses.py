"""Losses of each example, whose mean is the metric: what paired comparisons are made of."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from bnn.metrics._validation import FloatArray, check_components, check_targets
from bnn.metrics.classification import predictive_and_labels
from bnn.metrics.ranked_probability import crps_by_target
from bnn.metrics.regression import log_densities, predictive_variance
from bnn.metrics.targets import by_target


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
    loc: ArrayLike,
    scale: ArrayLike,
    targets: ArrayLike,
    names: Sequence[str] | None = None,
) -> dict[str, FloatArray]:
    """Returns the losses `[B]` of each example: `nll` (nats), `squared_error` and `crps`.

    `nll` is minus the joint log-density of all targets, `-log (1/S) sum_s prod_d N(…)`.
    `squared_error` (squared target units) and `crps` (target units) are of one target; where there
    are several, each has its own, `squared_error/<name>` and `crps/<name>`, because their units
    have no mean. The metrics are `-log_likelihood = mean nll`, `rmse = sqrt(mean squared_error)`
    and `crps = mean crps`.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc` (one per
            sample is `[S, 1]` or `[S, 1, 1]`).
        targets: observations `[B]` or `[B, D]`.
        names: of the D targets; `target_0`, `target_1`, … where None.

    Raises:
        ValueError: as `log_likelihood`, or if there are not D different names.
    """
    means, scales = check_components(loc, scale)
    observed = check_targets(targets, means.shape[1:])
    densities = log_densities(means, scales, observed)
    squared = (observed - means.mean(axis=0)) ** 2
    ranked = crps_by_target(means, scales, observed)
    return {
        "nll": math.log(len(means)) - np.logaddexp.reduce(densities, axis=0),
        **by_target("squared_error", squared.reshape(len(squared), -1), names),
        **by_target("crps", ranked.reshape(len(squared), -1), names),
    }


def regression_scores(
    loc: ArrayLike, scale: ArrayLike, names: Sequence[str] | None = None
) -> dict[str, FloatArray]:
    """Returns the uncertainty `[B]` of each example: `predictive_std`, in target units.

    `sqrt(Var[y_b])` of `predictive_variance`; of several targets `predictive_std/<name>` of each.

    Args:
        loc: means `[S, B]` or `[S, B, D]` in target units.
        scale: standard deviations of the observation noise, broadcastable to `loc`.
        names: as in `regression_losses`.

    Raises:
        ValueError: as `predictive_variance`, or if there are not D different names.
    """
    deviation = np.sqrt(predictive_variance(loc, scale).total)
    return by_target("predictive_std", deviation.reshape(len(deviation), -1), names)
