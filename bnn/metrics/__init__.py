"""Metrics of predictive samples: pure NumPy functions in double precision.

Every function takes what a Bayesian model predicts, S posterior samples for each of B examples,
and scores the mixture of those samples, which is the model's one prediction. Classification
takes `log_probs` `[S, B, C]`, regression `loc` and `scale` `[S, B]` or `[S, B, D]`. Several
targets have units of their own: their likelihood is joint, every other metric is one number for
each, `[D]`. Selective prediction and detection take one score per example, such as
`uncertainty_scores(log_probs)` gives.

For example:

    log_probs = np.log([[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]])  # [S=2, B=2, C=2]
    labels = [0, 1]
    nll(log_probs, labels)  # 0.3670, nats: -(log 0.8 + log 0.6) / 2
    epistemic_entropy(log_probs)  # [0.0324, 0.0863], nats: the samples disagree on the second
"""

from bnn.metrics.calibration import Reliability, ece, ece_equal_mass, reliability
from bnn.metrics.classification import accuracy, brier, error, nll, predictive_log_probs
from bnn.metrics.classwise_calibration import ece_adaptive, ece_classwise
from bnn.metrics.entropy import aleatoric_entropy, epistemic_entropy, predictive_entropy
from bnn.metrics.intervals import interval_score, interval_width, sharpness
from bnn.metrics.losses import classification_losses, regression_losses, regression_scores
from bnn.metrics.markov_chains import effective_sample_size, r_hat
from bnn.metrics.mixture import interval_coverage, mixture_cdf, quantile
from bnn.metrics.out_of_distribution import Detection, detection, false_positive_rate
from bnn.metrics.quantile_calibration import (
    PITHistogram,
    pit_histogram,
    quantile_calibration_error,
    quantile_coverage,
)
from bnn.metrics.ranked_probability import crps
from bnn.metrics.regression import PredictiveVariance, log_likelihood, predictive_variance, rmse
from bnn.metrics.sample_size import SampleSizeCurve, nll_by_num_samples
from bnn.metrics.selective import RiskCoverage, aurc, excess_aurc, risk_coverage
from bnn.metrics.targets import by_target, target_names
from bnn.metrics.uncertainty import uncertainty_scores

__all__ = [
    "Detection",
    "PITHistogram",
    "PredictiveVariance",
    "Reliability",
    "RiskCoverage",
    "SampleSizeCurve",
    "accuracy",
    "aleatoric_entropy",
    "aurc",
    "brier",
    "by_target",
    "classification_losses",
    "crps",
    "detection",
    "ece",
    "ece_adaptive",
    "ece_classwise",
    "ece_equal_mass",
    "effective_sample_size",
    "epistemic_entropy",
    "error",
    "excess_aurc",
    "false_positive_rate",
    "interval_coverage",
    "interval_score",
    "interval_width",
    "log_likelihood",
    "mixture_cdf",
    "nll",
    "nll_by_num_samples",
    "pit_histogram",
    "predictive_entropy",
    "predictive_log_probs",
    "predictive_variance",
    "quantile",
    "quantile_calibration_error",
    "quantile_coverage",
    "r_hat",
    "regression_losses",
    "regression_scores",
    "reliability",
    "risk_coverage",
    "rmse",
    "sharpness",
    "target_names",
    "uncertainty_scores",
]
