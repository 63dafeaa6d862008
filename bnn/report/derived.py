"""Metrics that only the samples of the predictions give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bnn import metrics
from bnn.metrics.regression import log_densities
from bnn.runs.prediction_file import Predictions


def log_likelihoods(predictions: Predictions) -> np.ndarray:
    """`log p(y_b | x_b, w_s)`, `[S, B]`, nats.

    Args:
      predictions: with targets and samples.
    """
    if predictions.log_probs is not None:
        return predictions.log_probs[:, np.arange(len(predictions.targets)), predictions.targets]
    loc, scale = components(predictions)
    return log_densities(loc, scale, predictions.targets.astype(np.float64))


def components(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of a regression's samples, `[S, B, D]`, in double precision."""
    if predictions.loc is None or predictions.scale is None:
        raise ValueError("predictions must hold the samples of a regression, got none.")
    loc = predictions.loc.astype(np.float64)
    return loc, np.broadcast_to(predictions.scale.astype(np.float64), loc.shape)


def derived_metrics(
    predictions: Predictions, names: Sequence[str] | None = None
) -> dict[str, float]:
    """`nll_limit`, its error, and what a regression's intervals are worth, from the samples.

    `interval_score_95`, `coverage_50` and `coverage_95`, the share of targets within them.

    Args:
      predictions: of the test examples.
      names: of several targets, each of which has intervals of its own.
    """
    found: dict[str, float] = {}
    if not predictions.has_samples:
        return found
    if predictions.num_samples > 1:
        curve = metrics.nll_by_num_samples(log_likelihoods(predictions), num_orders=1)
        found |= {"nll_limit": curve.limit, "nll_limit_error": curve.limit_error}
    if predictions.task == "regression":
        loc, scale = components(predictions)
        score = np.atleast_1d(metrics.interval_score(loc, scale, predictions.targets, 0.95))
        found |= metrics.by_target("interval_score_95", score, names)
        for level in (0.5, 0.95):
            share = np.atleast_1d(metrics.interval_coverage(loc, scale, predictions.targets, level))
            found |= metrics.by_target(f"coverage_{100 * level:.0f}", share, names)
    return found
