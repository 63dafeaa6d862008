"""Variational inference without samples: moments of the outputs in one pass."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.data import Batch
from bnn.ledger import ledger
from bnn.methods.cost import Cost
from bnn.methods.expected import expected_log_prob, require_expected
from bnn.methods.log_joint import check_functions
from bnn.methods.method import Method
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.objectives.checks import require_weights
from bnn.predictive.moments import propagate, require_served
from bnn.schedules import Constant, Schedule
from bnn.sites import sites
from bnn.training import Info, Reduce


@gin.register(module="bnn.methods")
class MomentPropagation(Method):
    """φ ← optimizer(∇_φ L), L = −(1/B) Σ_b E[log p(y_b | f_b)] + λ KL(q_φ ‖ p) / N.

    Deterministic variational inference (Wu et al. 2019): f_b has the mean and variance of the
    outputs under q, carried through the layers by `bnn.predictive.propagate`, and counts as normal
    with independent elements; the expectation is in closed form, see `expected_log_prob`. So the
    gradient has no noise but the batch's. Their diagonal variant, with priors as they are, in place
    of the empirical Bayes of the paper.

    The approximations are those of `propagate`: exact for one layer, and the moments of two dense
    ones; deeper, units count as independent, and the bound is no bound any more. Predictions draw
    functions from q, as `VariationalInference` does.

    Args:
      kl_weight: λ, a number or a schedule over the progress of training. A final weight other
        than 1 fits a tempered posterior, and the results say so.
    """

    averaged = ("nll",)

    def __init__(self, kl_weight: float | Schedule = 1.0) -> None:
        if not isinstance(kl_weight, (Schedule, int, float)) or isinstance(kl_weight, bool):
            raise ValueError(
                f"kl_weight must be a number or a schedule, got {kl_weight!r}; 1.0 is the whole KL."
            )
        if not isinstance(kl_weight, Schedule) and not kl_weight >= 0:
            raise ValueError(f"kl_weight must be at least 0, got {kl_weight}; 1.0 is the whole KL.")
        self.kl_weight = kl_weight if isinstance(kl_weight, Schedule) else Constant(kl_weight)

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
        require_served(problem.model)
        check_functions(problem.model, name)
        require_expected(problem.likelihood)
        super().build(problem)
        self._cost = Cost()

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """The objective and its terms: nll (nats per example), kl and kl/<site> (nats)."""
        del training
        problem = self.problem
        mean, variance = propagate(problem.model, batch.inputs)
        fits = expected_log_prob(problem.likelihood, mean, variance, batch.targets)
        weights = getattr(batch, "weights", None)
        if weights is not None:
            fits = fits * require_weights(weights, fits)
        nll = -tf.reduce_mean(fits)
        by_site = ledger(problem.model, noise=noise)
        kl = tf.add_n(list(by_site.values()))
        loss = nll + self.kl_weight(self.progress(noise)) * kl / problem.num_train
        if problem.model.losses:
            loss += tf.add_n(problem.model.losses)
        return Info(loss, {"nll": nll, "kl": kl, **{f"kl/{n}": v for n, v in by_site.items()}})

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """A step of the optimizer."""
        info = super().step(batch, noise, reduce)
        self._cost.add(batch)
        return info

    def describe(self) -> dict[str, Any]:
        """Name, the KL's final weight, what posterior that gives, and the cost."""
        final = float(f"{float(self.kl_weight(1.0)):.7g}")  # float32's own digits
        about = {
            "method": type(self).__name__,
            "kl_weight": final,
            "posterior": "whole KL" if final == 1.0 else f"tempered, KL x {final:g}",
            "objective": "moments, diagonal",
        }
        if not hasattr(self, "problem"):
            return about
        return {**about, **self._cost.describe(self.problem.num_train)}

    @property
    def variables(self) -> list[keras.Variable]:
        """Carry: the number of gradients."""
        return [self._cost.examples]
