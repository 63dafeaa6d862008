"""Three gradients of the importance-weighted bound L = log (1/S) Σₛ vₛ, all with its value."""

from __future__ import annotations

import abc
import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.described import Described
from bnn.estimators import Estimator, Realisation, Reparameterization, ScoreFunction, one_tensor
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior


class BoundGradient(Described, abc.ABC):
    """A rule for the gradient of L in the posterior's parameters φ.

    Attributes:
      path_only: the log-weights' log q carries gradients through w only.
    """

    path_only = False

    def check(self, num_samples: int) -> None:
        """Raises ValueError for a number of samples that the rule cannot use."""

    @abc.abstractmethod
    def prepare(self, estimator: Estimator) -> Estimator:
        """The estimator to draw with; ValueError where the given one cannot serve."""

    @abc.abstractmethod
    def bound(
        self, log_weights: tf.Tensor, scores: tf.Tensor, estimator: Estimator, kl_weight: Any
    ) -> tf.Tensor:
        """L with the rule's gradient; scalar, nats.

        Args:
          log_weights: log vₛ, `[S]`.
          scores: log q(wₛ) with gradient, `[S]`.
          estimator: what `prepare` gave.
          kl_weight: λ, the power of p/q in vₛ.
        """


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.objectives")
class Plain(BoundGradient):
    """Automatic differentiation through reparameterized weights: ∇L = Σₛ ṽₛ ∇ log vₛ.

    ṽ are the normalised weights. Unbiased; its signal-to-noise ratio in φ falls as 1/√S (Rainforth
    et al. 2018).
    """

    def prepare(self, estimator: Estimator) -> Estimator:
        """Needs `Reparameterization`."""
        return _require(estimator, Reparameterization, "the plain gradient")

    def bound(
        self, log_weights: tf.Tensor, scores: tf.Tensor, estimator: Estimator, kl_weight: Any
    ) -> tf.Tensor:
        """The logarithm of (1/S) Σ vₛ."""
        del scores, estimator, kl_weight
        return log_mean_exp(log_weights)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.objectives")
class DoublyReparameterized(BoundGradient):
    """∇_φ L = Σₛ [(1 − λ) ṽₛ + λ ṽₛ²] (∂ log vₛ / ∂wₛ) (∂wₛ / ∂φ): DReG.

    Tucker et al. 2019, equation 8, is λ = 1. With vₛ = p(y | wₛ) [p(wₛ) / q(wₛ)]^λ the score enters
    the plain gradient as −λ ṽₛ ∇_φ log q(wₛ); reparameterized itself, by ∂ṽₛ / ∂ log vₛ = ṽₛ − ṽₛ²,
    it leaves the factor above. The signal-to-noise ratio then does not fall with S. Parameters of
    prior and likelihood have the plain gradient Σ ṽₛ ∇ log vₛ.
    """

    path_only = True

    def prepare(self, estimator: Estimator) -> Estimator:
        """Needs `Reparameterization`."""
        _require(estimator, Reparameterization, "the doubly reparameterized gradient")
        return _ScaledReparameterization()

    def bound(
        self, log_weights: tf.Tensor, scores: tf.Tensor, estimator: Estimator, kl_weight: Any
    ) -> tf.Tensor:
        """L's value; gradients with ṽₛ, and a factor 1 − λ + λ ṽₛ where they pass through wₛ."""
        del scores
        normalised = tf.stop_gradient(tf.nn.softmax(log_weights))
        assert isinstance(estimator, _ScaledReparameterization)
        estimator.factors = 1.0 - kl_weight + kl_weight * normalised
        weighted = tf.reduce_sum(normalised * log_weights)
        return tf.stop_gradient(log_mean_exp(log_weights)) + weighted - tf.stop_gradient(weighted)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.objectives")
class VIMCO(BoundGradient):
    """∇L = Σₛ (L − L₋ₛ) ∇ log q(wₛ) + Σₛ ṽₛ ∇ log vₛ, w without gradient (Mnih & Rezende 2016).

    L₋ₛ replaces log vₛ by the mean of the other log-weights: a baseline for every sample that does
    not depend on it. Needs `ScoreFunction()` and S ≥ 2.
    """

    def check(self, num_samples: int) -> None:
        """Needs two samples."""
        if num_samples < 2:
            raise ValueError(
                f"VIMCO needs num_samples of at least 2, got {num_samples}: its baseline for a "
                "sample is made of the others."
            )

    def prepare(self, estimator: Estimator) -> Estimator:
        """Needs `ScoreFunction` drawing from q itself."""
        _require(estimator, ScoreFunction, "VIMCO")
        if estimator.proposal is not None:  # type: ignore[attr-defined]
            raise ValueError(
                "VIMCO needs samples from q itself, got a ScoreFunction with a proposal; use "
                "ScoreFunction()."
            )
        return estimator

    def bound(
        self, log_weights: tf.Tensor, scores: tf.Tensor, estimator: Estimator, kl_weight: Any
    ) -> tf.Tensor:
        """L plus the score terms, whose value is 0."""
        del estimator, kl_weight
        bound = log_mean_exp(log_weights)
        count = log_weights.shape[0]
        others = (tf.reduce_sum(log_weights) - log_weights) / (count - 1)
        # Row s holds the log-weights with the s-th replaced by the mean of the others.
        replaced = tf.where(tf.eye(count, dtype=tf.bool), others[:, tf.newaxis], log_weights)
        without = tf.reduce_logsumexp(replaced, axis=1) - math.log(count)
        advantage = tf.stop_gradient(bound - without)
        return bound + tf.reduce_sum(advantage * (scores - tf.stop_gradient(scores)))


class _ScaledReparameterization(Estimator):
    """Reparameterization with a factor on the gradients through the weights of every sample.

    The factors are known after the forward pass and used in the backward pass, which is later.
    """

    def __init__(self) -> None:
        self.factors: tf.Tensor | None = None

    def realise(
        self, operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
    ) -> Realisation:
        """As Reparameterization's; the factor of the noise's sample comes in on the way back."""
        del like

        @tf.custom_gradient
        def scaled(weights: tf.Tensor) -> Any:
            def backward(upstream: tf.Tensor) -> tf.Tensor:
                if self.factors is None:
                    raise RuntimeError("gradients were asked for before the bound was formed.")
                return upstream * self.factors[noise.sample]

            return tf.identity(weights), backward

        return one_tensor(operator, scaled(posterior.sample(noise)))


def log_mean_exp(values: tf.Tensor) -> tf.Tensor:
    """The log of the mean of exp(values) over a vector of known length."""
    return tf.reduce_logsumexp(values) - math.log(values.shape[0])


def _require(estimator: Estimator, kind: type[Estimator], purpose: str) -> Estimator:
    if not isinstance(estimator, kind):
        raise ValueError(
            f"{purpose} of the importance-weighted bound needs the estimator {kind.__name__}, got "
            f"{type(estimator).__name__}."
        )
    return estimator
