"""The negative binomial likelihood of counts that vary more than a Poisson's."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.dispersed import Counts, Dispersed


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class NegativeBinomial(Counts, Dispersed):
    """A Poisson whose rate is Gamma of mean μ and shape r: Var = μ + μ²/r, outputs = ln μ `[B, D]`.

    p(y) = Γ(y + r) / (Γ(r) y!) (r/(r + μ))^r (μ/(r + μ))^y (Hilbe 2011, the form NB2).

    Args:
      concentration: r, positive; the start value where it is learned.
      trainable: learn one r per target column.
    """

    argument = "concentration"

    def __init__(self, concentration: float = 1.0, trainable: bool = True) -> None:
        super().__init__(concentration, trainable)

    def num_outputs(self, num_targets: int) -> int:
        """D: the logarithms of the means."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Ln μ and r."""
        return outputs, self.dispersion(outputs.dtype)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Ln Γ(y + r) − ln Γ(r) − ln y! + r ln(r/(r + μ)) + y ln(μ/(r + μ))."""
        log_mean, r = parameters
        log_odds = log_mean - tf.math.log(r)
        ways = tf.math.lgamma(y + r) - tf.math.lgamma(r) - tf.math.lgamma(y + 1)
        return ways - r * tf.math.softplus(log_odds) - y * tf.math.softplus(-log_odds)

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """μ."""
        return tf.exp(parameters[0])

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """μ + μ²/r."""
        mean = tf.exp(parameters[0])
        return mean + mean**2 / parameters[1]

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """I_p(r, ⌊y⌋ + 1) with p = r/(r + μ), the regularised incomplete beta function."""
        log_mean, r = parameters
        zeros = tf.zeros_like(log_mean + r + y)
        at = tf.floor(y) + zeros
        p = tf.sigmoid(tf.math.log(r) - log_mean) + zeros
        value = tf.math.betainc(r + zeros, tf.maximum(at, 0) + 1, p)
        return tf.where(at < 0, zeros, value)
