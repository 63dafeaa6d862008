"""The variational bound of Rényi's divergence."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.estimators import Estimator
from bnn.likelihoods import Likelihood
from bnn.objectives.bound_gradients import log_mean_exp
from bnn.objectives.importance_weighted import ImportanceWeightedBound


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.objectives")
class RenyiBound(ImportanceWeightedBound):
    """−(1/N) (1/(1 − α)) log (1/S) Σₛ vₛ^(1 − α), vₛ = p(y, wₛ) / q(wₛ).

    Li & Turner 2016, equation 14: of S samples it estimates log p(y) − D_α(q ‖ p(w | y)), Rényi's
    divergence. Between `ImportanceWeightedBound` (α = 0) and the ELBO (α → 1); q covers the
    posterior's mass the more, the smaller α, and above 1 it seeks one mode more than the ELBO does.
    The estimate has a bias that goes to 0 with S, below for α < 1 and above for α > 1. The gradient
    is the plain one, through reparameterized weights. What `ImportanceWeightedBound` says of
    batches below N holds here too.

    Args:
      likelihood: p(y | outputs).
      num_train: N.
      num_samples: S.
      alpha: α, positive and not 1.
    """

    def __init__(
        self,
        likelihood: Likelihood | None = None,
        num_train: Any = None,
        num_samples: int = 5,
        alpha: float = 0.5,
    ) -> None:
        super().__init__(likelihood, num_train, num_samples)
        if not 0 < alpha < math.inf or alpha == 1:
            raise ValueError(
                f"alpha must be positive and not 1, got {alpha!r}; 1 is the ELBO, NegativeELBO, "
                "and 0 the ImportanceWeightedBound."
            )
        self.alpha = float(alpha)

    def bound(
        self, log_weights: tf.Tensor, scores: tf.Tensor, estimator: Estimator, kl_weight: Any
    ) -> tf.Tensor:
        """The value, with its plain gradient."""
        del scores, estimator, kl_weight
        power = 1.0 - self.alpha
        return log_mean_exp(power * log_weights) / power

    def describe(self) -> dict[str, Any]:
        """See `NegativeELBO.describe`; α."""
        return super().describe() | {"alpha": self.alpha}
