"""What a prediction says, how sure its Monte-Carlo estimate is, and how it is calibrated."""

from bnn.predictive.acquisition import (
    bald,
    disagreement,
    expected_entropy,
    predictive_variance,
    thompson,
    top_k,
)
from bnn.predictive.calibration import Calibration
from bnn.predictive.conformal import (
    APS,
    LAC,
    RAPS,
    AbsoluteResidual,
    ConformalizedQuantiles,
    NormalizedResidual,
)
from bnn.predictive.links import Dirichlet, laplace_bridge, probit
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
    "Dirichlet",
    "IsotonicScaling",
    "MatrixScaling",
    "Moments",
    "NormalizedResidual",
    "Predictive",
    "TemperatureScaling",
    "VectorScaling",
    "bald",
    "disagreement",
    "expected_entropy",
    "laplace_bridge",
    "predictive",
    "predictive_variance",
    "probit",
    "propagate",
    "propagate_covariance",
    "thompson",
    "top_k",
]
