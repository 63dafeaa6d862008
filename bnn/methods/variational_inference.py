"""Variational inference by stochastic gradients of a bound of the evidence."""

from __future__ import annotations

from typing import Any

import gin
import keras

from bnn.data import Batch
from bnn.estimators import Estimator
from bnn.formatting import is_number
from bnn.methods.method import Method
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.objectives import NegativeELBO
from bnn.schedules import Constant, Schedule
from bnn.sites import sites
from bnn.training import Info

MOST_SAMPLES = 1000


@gin.register(module="bnn.methods")
class VariationalInference(Method):
    """φ ← optimizer(∇_φ L), L = −(1/B) Σ_b E_q[log p(y_b | x_b, w)] + λ KL(q_φ ‖ p) / N.

    Minimises the negative ELBO (Kingma & Welling 2014, equation 8; Blundell et al. 2015), or
    another `objective`, over posteriors, learned priors and learned noise φ.

    Args:
      estimator: of the expectation and its gradient; in gin `@Flipout()`.
      objective: L, unbound; `NegativeELBO()` where None. In gin
        `VariationalInference.objective = @NegativeELBO()`, with `NegativeELBO.num_samples`.
      kl_weight: λ, a number or a schedule over the progress of training. A final weight other
        than 1 fits a tempered posterior, and the results say so.
    """

    averaged = ("nll",)

    def __init__(
        self,
        estimator: Estimator,
        objective: NegativeELBO | None = None,
        kl_weight: float | Schedule = 1.0,
    ) -> None:
        if not isinstance(estimator, Estimator):
            raise ValueError(
                f"estimator must be an Estimator object, got {estimator!r}; in gin write for "
                "example VariationalInference.estimator = @Flipout(), with the parentheses."
            )
        if objective is not None and not isinstance(objective, NegativeELBO):
            raise ValueError(
                f"objective must be an objective, got {objective!r}; in gin write for example "
                "VariationalInference.objective = @NegativeELBO(), with the parentheses."
            )
        if not isinstance(kl_weight, Schedule) and not is_number(kl_weight):
            raise ValueError(
                f"kl_weight must be a number or a schedule, got {kl_weight!r}; 1.0 is the whole KL."
            )
        if not isinstance(kl_weight, Schedule) and not kl_weight >= 0:
            raise ValueError(
                f"kl_weight must be at least 0, got {kl_weight}; 1.0 is the whole KL, less a "
                "tempered posterior."
            )
        self.estimator = estimator
        self.objective = objective if objective is not None else NegativeELBO()
        self.kl_weight = kl_weight if isinstance(kl_weight, Schedule) else Constant(kl_weight)

    def build(self, problem: Problem) -> None:
        """Checks that the estimator can serve every posterior of the model.

        Raises:
          ValueError: a model without random weights, or an estimator that cannot serve one.
        """
        if self.objective.num_samples > MOST_SAMPLES:
            raise ValueError(
                f"num_samples must be at most {MOST_SAMPLES}, got {self.objective.num_samples}: "
                "the samples of a step are unrolled; 1 is usual."
            )
        found = sites(problem.model)
        if not found:
            raise ValueError(
                f"method VariationalInference needs random weights, but model "
                f"{problem.model.name!r} has no Bayesian layer; use bnn.layers.Dense or Conv2D for "
                "the layers whose weights should be random, or the method MAP()."
            )
        for site in found.values():
            if not site.posterior.deterministic:
                self.estimator.at(site.labels).check(site.posterior, site.operator)
        super().build(problem)

    def loss(
        self,
        batch: Batch,
        noise: Noise,
        training: bool = True,
        estimator: Estimator | None = None,
    ) -> Info:
        """The objective and its terms: nll (nats per example), kl and kl/<site> (nats).

        Args:
          batch: one share.
          noise: of the step.
          training: False where the value is only looked at, so that no state changes.
          estimator: in place of the method's own, to compare them.
        """
        objective = self.objective.bind(self.problem.likelihood, self.problem.num_train)
        terms = objective(
            self.problem.model,
            batch.inputs,
            batch.targets,
            estimator=self.estimator if estimator is None else estimator,
            noise=noise,
            kl_weight=self.kl_weight(self.progress(noise)),
            training=training,
            weights=getattr(batch, "weights", None),
        )
        by_site = {f"kl/{name}": kl for name, kl in terms.kl_by_site.items()}
        return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl, **by_site})

    def scheduled(self, progress: float) -> dict[str, float]:
        """The KL's weight."""
        return {"kl_weight": float(self.kl_weight(progress))}

    def describe(self) -> dict[str, Any]:
        """Name, samples per step, the KL's final weight, what posterior that gives, estimator."""
        final = float(f"{float(self.kl_weight(1.0)):.7g}")  # float32's own digits
        return {
            "method": type(self).__name__,
            "train_samples": self.objective.num_samples,
            "kl_weight": final,
            "posterior": "whole KL" if final == 1.0 else f"tempered, KL x {final:g}",
            "objective": type(self.objective).__name__,
            "estimator": self.estimator.describe(),
        }

    @property
    def variables(self) -> list[keras.Variable]:
        """The baseline's state."""
        return self.estimator.baseline.variables
