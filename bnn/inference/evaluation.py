"""Metrics of posterior predictive samples, by task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from bnn import metrics
from bnn.data import Dataset
from bnn.likelihoods import Classification, Likelihood, NormalRegression


def evaluate(
    likelihood: Likelihood, samples: tf.Tensor, targets: np.ndarray, data: Dataset
) -> dict[str, float]:
    """Metrics of the predictive mixture of all samples, by name.

    Classification: nll (nats per example), accuracy, error, brier, ece, ece_equal_mass,
    ece_classwise and ece_adaptive (15 bins), aurc (of the error, by the maximum probability), and
    the mean predictive, aleatoric and epistemic entropies (nats). Regression, in the target's own
    units: nll, log_likelihood (nats per example), rmse, crps, coverage_50 and coverage_95 of the
    central intervals, quantile_calibration_error (a fraction), sharpness, aleatoric_std and
    epistemic_std; of several targets the likelihood is joint, and everything else is of each by its
    name, `rmse/<target>`.

    Args:
      likelihood: of the model's task.
      samples: model outputs `[S, B, …]`.
      targets: `[B]` labels or `[B, D]` standardised targets.
      data: gives the target's units.
    """
    if isinstance(likelihood, Classification):
        return _classification(likelihood.log_probs(samples).numpy(), targets)
    return _regression(*own_units(likelihood, samples, targets, data), target_names(data))


def _classification(log_probs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    mixture = _mixture(log_probs)
    wrong = metrics.classification_losses(mixture, labels)["error"]
    unsure = metrics.uncertainty_scores(mixture)["max_probability"]
    return {
        "nll": metrics.nll(mixture, labels),
        "accuracy": metrics.accuracy(mixture, labels),
        "error": metrics.error(mixture, labels),
        "brier": metrics.brier(mixture, labels),
        "ece": metrics.ece(mixture, labels),
        "ece_equal_mass": metrics.ece_equal_mass(mixture, labels),
        "ece_classwise": metrics.ece_classwise(mixture, labels),
        "ece_adaptive": metrics.ece_adaptive(mixture, labels),
        "aurc": metrics.aurc(unsure, wrong),
        "predictive_entropy": float(np.mean(metrics.predictive_entropy(mixture))),
        "aleatoric_entropy": float(np.mean(metrics.aleatoric_entropy(log_probs))),
        "epistemic_entropy": float(np.mean(metrics.epistemic_entropy(log_probs))),
    }


def _mixture(log_probs: np.ndarray) -> np.ndarray:
    """The predictive mixture as one sample `[1, B, C]`, which most metrics are functions of."""
    return metrics.predictive_log_probs(log_probs)[np.newaxis]


def own_units(
    likelihood: Likelihood, samples: tf.Tensor, targets: np.ndarray, data: Dataset
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Component means and scales `[S, B, D]` and targets `[B, D]` in the target's own units."""
    if not isinstance(likelihood, NormalRegression):
        raise ValueError(
            f"likelihood must be a normal regression or a classification, got "
            f"{type(likelihood).__name__}; subclass bnn.likelihoods.NormalRegression."
        )
    loc, scale = likelihood.components(samples, data.target_loc, data.target_scale)
    loc = loc.numpy()
    return loc, np.broadcast_to(scale.numpy(), loc.shape), data.to_own_units(targets)


def target_names(data: Dataset) -> Sequence[str] | None:
    """Names of the targets, where the data set has them."""
    return getattr(data, "target_names", None)


def _regression(
    loc: np.ndarray, scale: np.ndarray, targets: np.ndarray, names: Sequence[str] | None
) -> dict[str, float]:
    log_likelihood = metrics.log_likelihood(loc, scale, targets)
    variance = metrics.predictive_variance(loc, scale)
    of_each = {
        "rmse": metrics.rmse(loc, targets),
        "crps": metrics.crps(loc, scale, targets),
        "coverage_50": metrics.interval_coverage(loc, scale, targets, 0.5),
        "coverage_95": metrics.interval_coverage(loc, scale, targets, 0.95),
        "quantile_calibration_error": metrics.quantile_calibration_error(loc, scale, targets),
        "sharpness": metrics.sharpness(loc, scale),
        "aleatoric_std": np.sqrt(np.mean(variance.aleatoric, axis=0)),
        "epistemic_std": np.sqrt(np.mean(variance.epistemic, axis=0)),
    }
    found = {"nll": -log_likelihood, "log_likelihood": log_likelihood}
    for name, values in of_each.items():
        found |= metrics.by_target(name, np.atleast_1d(values), names)
    return found


def headline(
    likelihood: Likelihood, samples: tf.Tensor, targets: np.ndarray, data: Dataset
) -> dict[str, float]:
    """The two or three of `evaluate`'s metrics that a learning curve shows, and no others."""
    if isinstance(likelihood, Classification):
        mixture = _mixture(likelihood.log_probs(samples).numpy())
        return {
            "nll": metrics.nll(mixture, targets),
            "accuracy": metrics.accuracy(mixture, targets),
            "ece": metrics.ece(mixture, targets),
        }
    loc, scale, own_targets = own_units(likelihood, samples, targets, data)
    return {
        "nll": -metrics.log_likelihood(loc, scale, own_targets),
        **metrics.by_target(
            "rmse", np.atleast_1d(metrics.rmse(loc, own_targets)), target_names(data)
        ),
    }
