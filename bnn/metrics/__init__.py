"""Metrics of predictive samples: pure NumPy functions in double precision.

Every function takes what a Bayesian model predicts, S posterior samples for each of B examples,
and scores the mixture of those samples, which is the model's one prediction. Classification
takes `log_probs` `[S, B, C]`, regression `loc` and `scale` `[S, B]` or `[S, B, D]`.

Example::

    log_probs = np.log([[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]])  # [S=2, B=2, C=2]
    labels = [0, 1]
    nll(log_probs, labels)  # 0.3670, nats: -(log 0.8 + log 0.6) / 2
    epistemic_entropy(log_probs)  # [0.0324, 0.0863], nats: the samples disagree on the second
"""

from bnn.metrics.calibration import Reliability, ece, ece_equal_mass, reliability
from bnn.metrics.classification import accuracy, brier, error, nll, predictive_log_probs
from bnn.metrics.entropy import aleatoric_entropy, epistemic_entropy, predictive_entropy
from bnn.metrics.mixture import interval_coverage, mixture_cdf, quantile
from bnn.metrics.ranked_probability import crps
from bnn.metrics.regression import (
    PredictiveVariance,
    log_likelihood,
    predictive_variance,
    rmse,
)

__all__ = [
    "PredictiveVariance",
    "Reliability",
    "accuracy",
    "aleatoric_entropy",
    "brier",
    "crps",
    "ece",
    "ece_equal_mass",
    "epistemic_entropy",
    "error",
    "interval_coverage",
    "log_likelihood",
    "mixture_cdf",
    "nll",
    "predictive_entropy",
    "predictive_log_probs",
    "predictive_variance",
    "quantile",
    "reliability",
    "rmse",
]
