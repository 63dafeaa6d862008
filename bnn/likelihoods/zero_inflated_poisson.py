"""The likelihood of counts with more zeros than a Poisson's."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.dispersed import Counts
from bnn.likelihoods.poisson import Poisson

_POISSON = Poisson()


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class ZeroInflatedPoisson(Counts):
    """p(y | outputs) = π [y = 0] + (1 − π) Poisson(y; λ), outputs = (ln λ, logit π) `[B, 2 D]`.

    Lambert, "Zero-inflated Poisson regression", Technometrics 34, 1992, section 2.
    """

    def num_outputs(self, num_targets: int) -> int:
        """2 D: logarithms of the rates, and logits of the extra zeros."""
        return 2 * num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Ln λ and logit π."""
        log_rate, logit = tf.split(outputs, 2, axis=-1)
        return log_rate, logit

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Ln(π + (1 − π) e^−λ) at 0, else ln(1 − π) + ln Poisson(y; λ)."""
        log_rate, logit = parameters
        count = _POISSON.log_density(y, log_rate) - tf.math.softplus(logit)
        zero = tf.zeros_like(count) - tf.math.softplus(-logit)
        both = tf.reduce_logsumexp(tf.stack([count, zero]), axis=0)
        return tf.where(tf.equal(y, 0), both, count)

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """(1 − π) λ."""
        return tf.sigmoid(-parameters[1]) * tf.exp(parameters[0])

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """(1 − π) λ (1 + π λ)."""
        rate = tf.exp(parameters[0])
        return tf.sigmoid(-parameters[1]) * rate * (1 + tf.sigmoid(parameters[1]) * rate)

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """π + (1 − π) F(y) from 0 on."""
        log_rate, logit = parameters
        counts = tf.sigmoid(logit) + tf.sigmoid(-logit) * _POISSON.cdf(y, log_rate)
        return tf.where(y < 0, tf.zeros_like(counts), counts)
