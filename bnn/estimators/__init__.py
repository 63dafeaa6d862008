"""Gradient estimators: how E_q[f] and its gradient are estimated at a site."""

from bnn.estimators.baselines import (
    Baseline,
    LeaveOneOut,
    NoBaseline,
    OptimalCoefficient,
    RunningMean,
)
from bnn.estimators.by_site import BySite
from bnn.estimators.estimator import Estimator, Realisation, fitting, one_tensor
from bnn.estimators.flipout import Flipout
from bnn.estimators.local_reparameterization import LocalReparameterization
from bnn.estimators.mean import Mean
from bnn.estimators.reparameterization import Reparameterization
from bnn.estimators.score_function import DefensiveMixture, ScoreFunction

__all__ = [
    "Baseline",
    "BySite",
    "DefensiveMixture",
    "Estimator",
    "Flipout",
    "LeaveOneOut",
    "LocalReparameterization",
    "Mean",
    "NoBaseline",
    "OptimalCoefficient",
    "Realisation",
    "Reparameterization",
    "RunningMean",
    "ScoreFunction",
    "fitting",
    "one_tensor",
]
