"""The importance-weighted bound of the evidence."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.estimators import Estimator
from bnn.likelihoods import Likelihood
from bnn.noise import Noise
from bnn.objectives.bound_gradients import BoundGradient, Plain
from bnn.objectives.checks import require_kl_weight
from bnn.objectives.densities import log_ratios
from bnn.objectives.negative_elbo import NegativeELBO, Sampled, Terms


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.objectives")
class ImportanceWeightedBound(NegativeELBO):
    """−(1/N) log (1/S) Σₛ exp(log vₛ), log vₛ = (N/B) Σ_b log p(y_b | x_b, wₛ) + log p(wₛ)/q(wₛ).

    Over draws of the whole model (Burda, Grosse, Salakhutdinov 2016, equation 8, with weights as
    latent variables). S = 1 is the ELBO; the bound rises to the log evidence with S. It is a bound
    for batches that are the whole training set, B = N. The logarithm does not commute with the
    average over batches: for B < N the value is not a bound, and the gradient not unbiased.

    Args:
      likelihood: p(y | outputs).
      num_train: N.
      num_samples: S.
      gradient: `Plain()`, `DoublyReparameterized()` or `VIMCO()`; plain where None.
    """

    def __init__(
        self,
        likelihood: Likelihood | None = None,
        num_train: Any = None,
        num_samples: int = 5,
        gradient: BoundGradient | None = None,
    ) -> None:
        super().__init__(likelihood, num_train, num_samples)
        self.gradient = gradient if gradient is not None else Plain()
        self.gradient.check(self.num_samples)

    def prepare(self, estimator: Estimator) -> Estimator:
        """What the gradient draws with."""
        return self.gradient.prepare(estimator)

    def terms(
        self,
        model: keras.Model,
        sampled: Sampled,
        estimator: Estimator,
        noise: Noise,
        kl_weight: Any = 1.0,
        training: bool = True,
    ) -> Terms:
        """The bound; `kl_weight` tempers log p/q.

        `Terms.nll` and `Terms.kl` are plain averages over the samples, not weighted ones, and carry
        no gradient.
        """
        del noise, training
        kl_weight = require_kl_weight(kl_weight)
        ratios = [
            log_ratios(model, draw, path_only=self.gradient.path_only) for draw in sampled.draws
        ]
        log_likelihood = self.num_train * tf.reduce_mean(sampled.log_likelihoods, axis=1)
        log_ratio = tf.stack([tf.add_n(list(r.values())) for r in ratios])
        scores = tf.stack([draw.score for draw in sampled.draws])
        log_weights = log_likelihood - kl_weight * log_ratio
        bound = self.bound(log_weights, scores, estimator, kl_weight)
        kl_by_site = {n: tf.add_n([r[n] for r in ratios]) / len(ratios) for n in ratios[0]}
        nll = tf.stop_gradient(-tf.reduce_mean(sampled.log_likelihoods))
        kl = tf.stop_gradient(tf.reduce_mean(log_ratio))
        loss = -bound / self.num_train + sampled.regularization
        return Terms(loss, nll, kl, kl_by_site, sampled.regularization)

    def bound(
        self, log_weights: tf.Tensor, scores: tf.Tensor, estimator: Estimator, kl_weight: Any
    ) -> tf.Tensor:
        """The logarithm of (1/S) Σₛ vₛ with the rule's gradient; see `BoundGradient.bound`."""
        return self.gradient.bound(log_weights, scores, estimator, kl_weight)
