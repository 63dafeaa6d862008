"""What a prediction says, how sure its Monte-Carlo estimate is, and how it is calibrated."""

from bnn.predictive.acquisition import bald, expected_entropy, predictive_variance, top_k
from bnn.predictive.calibration import Calibration
from bnn.predictive.conformal import (
    APS,
    LAC,
    RAPS,
    AbsoluteResidual,
    ConformalizedQuantiles,
    NormalizedResidual,
)
from bnn.predictive.moments import Correlated, Moments, propagate, propagate_covariance
from bnn.predictive.predictive import Predictive, predictive
from bnn.predictive.scaling import (
    IsotonicScaling,
    MatrixScaling,
    TemperatureScaling,
    VectorScaling,
)
from bnn.predictive.tolerance import Convergence

__all__ = [
    "APS",
    "LAC",
    "RAPS",
    "AbsoluteResidual",
    "Calibration",
    "ConformalizedQuantiles",
    "Convergence",
    "Correlated",
    "IsotonicScaling",
    "MatrixScaling",
    "Moments",
    "NormalizedResidual",
    "Predictive",
    "TemperatureScaling",
    "VectorScaling",
    "bald",
    "expected_entropy",
    "predictive",
    "predictive_variance",
    "propagate",
    "propagate_covariance",
    "top_k",
]
