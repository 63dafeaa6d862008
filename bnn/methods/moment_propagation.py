"""Variational inference without samples: moments of the outputs in one pass."""

from __future__ import annotations

from typing import Any, Literal

import gin
import tensorflow as tf

from bnn.data import Batch
from bnn.formatting import is_number
from bnn.ledger import ledger
from bnn.methods.counted import Counted, penalised
from bnn.methods.expected import expected_log_prob, require_expected
from bnn.methods.log_joint import check_functions
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.predictive.joint_moments import propagate_joint, require_joint
from bnn.predictive.moments import propagate, require_served
from bnn.schedules import Constant, Schedule
from bnn.sites import sites
from bnn.training import Info


@gin.register(module="bnn.methods")
class MomentPropagation(Counted):
    """φ ← optimizer(∇_φ L), L = −(1/B) Σ_b E[log p(y_b | f_b)] + λ KL(q_φ ‖ p) / N.

    Deterministic variational inference (Wu et al. 2019): f_b has the mean and variance of the
    outputs under q, carried through the layers, and counts as normal; the expectation is in closed
    form, see `expected_log_prob`. So the gradient has no noise but the batch's. Priors are as they
    are, in place of the empirical Bayes of the paper.

    With the diagonal, by `bnn.predictive.propagate`, units count as independent: exact for one
    layer, and the moments of two dense ones. With full covariances, of dense networks alone, the
    units of a layer have their covariance and outputs theirs, see `propagate_joint`: what is left
    out is that units of deeper layers are not normal. Either way the bound of deeper networks is no
    bound any more. Full covariances cost B n² numbers a layer of n units: they are for narrow
    layers. Predictions draw functions from q, as `VariationalInference` does.

    Args:
      kl_weight: λ, a number or a schedule over the progress of training. A final weight other
        than 1 fits a tempered posterior, and the results say so.
      covariance: "diagonal" or "full".
    """

    averaged = ("nll",)

    def __init__(
        self,
        kl_weight: float | Schedule = 1.0,
        covariance: Literal["diagonal", "full"] = "diagonal",
    ) -> None:
        if covariance not in ("diagonal", "full"):
            raise ValueError(f'covariance must be "diagonal" or "full", got {covariance!r}.')
        if not isinstance(kl_weight, Schedule) and not is_number(kl_weight):
            raise ValueError(
                f"kl_weight must be a number or a schedule, got {kl_weight!r}; 1.0 is the whole KL."
            )
        if not isinstance(kl_weight, Schedule) and not kl_weight >= 0:
            raise ValueError(f"kl_weight must be at least 0, got {kl_weight}; 1.0 is the whole KL.")
        self.kl_weight = kl_weight if isinstance(kl_weight, Schedule) else Constant(kl_weight)
        self.covariance = covariance

    def build(self, problem: Problem) -> None:
        """Checks layers and likelihood.

        Raises:
          ValueError: a model without random weights, a layer that moments cannot pass or that has
            noise or statistics of its own, a likelihood without a formula.
        """
        name, found = type(self).__name__, sites(problem.model).values()
        if all(site.posterior.deterministic for site in found):
            raise ValueError(
                f"method {name} needs random weights, but model {problem.model.name!r} has none; "
                "use MeanFieldNormal() posteriors, or the method MAP()."
            )
        (require_joint if self.covariance == "full" else require_served)(problem.model)
        check_functions(problem.model, name)
        require_expected(problem.likelihood)
        super().build(problem)

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The objective and its terms: nll (nats per example), kl and kl/<site> (nats)."""
        del training
        problem = self.problem
        covariance = None
        if self.covariance == "full":
            mean, covariance = propagate_joint(problem.model, batch.inputs)
            variance = tf.linalg.diag_part(covariance)
        else:
            mean, variance = propagate(problem.model, batch.inputs)
        likelihood = problem.likelihood
        fits = expected_log_prob(likelihood, mean, variance, batch.targets, covariance)
        terms = {f"kl/{n}": v for n, v in ledger(problem.model, noise=noise).items()}
        weight = self.kl_weight(self.progress(noise))
        return penalised(problem, fits, batch, terms, total="kl", weight=weight)

    def describe(self) -> dict[str, Any]:
        """Name, the KL's final weight, what posterior that gives, and the cost."""
        final = float(f"{float(self.kl_weight(1.0)):.7g}")  # float32's own digits
        about = {
            "method": type(self).__name__,
            "kl_weight": final,
            "posterior": "whole KL" if final == 1.0 else f"tempered, KL x {final:g}",
            "objective": f"moments, {self.covariance}",
        }
        if not hasattr(self, "problem"):
            return about
        return {**about, **self.cost()}
