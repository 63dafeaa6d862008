"""The estimators that are compared, under the names that tables and figures have for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from bnn import estimators, objectives
from experiments.gradient_estimators import looks

DECAY = 0.9
WIDENING, SHARE = 2.0, 0.5


class Variant(NamedTuple):
    """An estimator and the objective that it serves."""

    estimator: Callable[[], estimators.Estimator]  # gives a new estimator
    objective: Callable[..., objectives.NegativeELBO] = objectives.NegativeELBO  # kind of objective
    options: Mapping[str, Any] = MappingProxyType({})  # of the objective

    def bound(self, likelihood: Any, num_train: int, num_samples: int) -> objectives.NegativeELBO:
        """The objective for a likelihood and N training examples."""
        return self.objective(likelihood, num_train, num_samples, **self.options)


def _weighted(gradient: Any, estimator: Callable[[], estimators.Estimator]) -> Variant:
    return Variant(estimator, objectives.ImportanceWeightedBound, {"gradient": gradient})


VARIANTS = {
    looks.MEAN: Variant(estimators.Mean),
    looks.REPARAMETERIZATION: Variant(estimators.Reparameterization),
    looks.ANTITHETIC: Variant(estimators.Reparameterization, options={"antithetic": True}),
    looks.LOCAL: Variant(estimators.LocalReparameterization),
    looks.FLIPOUT: Variant(estimators.Flipout),
    looks.LANDING: Variant(estimators.Reparameterization, objectives.StickingTheLanding),
    looks.SCORE: Variant(estimators.ScoreFunction),
    looks.IMPORTANCE: Variant(
        lambda: estimators.ScoreFunction(proposal=estimators.DefensiveMixture(WIDENING, SHARE))
    ),
    looks.RUNNING_MEAN: Variant(lambda: estimators.ScoreFunction(estimators.RunningMean(DECAY))),
    looks.LEAVE_ONE_OUT: Variant(lambda: estimators.ScoreFunction(estimators.LeaveOneOut())),
    looks.OPTIMAL: Variant(lambda: estimators.ScoreFunction(estimators.OptimalCoefficient())),
    looks.IWAE_PLAIN: _weighted(objectives.Plain(), estimators.Reparameterization),
    looks.IWAE_DREG: _weighted(objectives.DoublyReparameterized(), estimators.Reparameterization),
    looks.IWAE_VIMCO: _weighted(objectives.VIMCO(), estimators.ScoreFunction),
}
