"""The Beta likelihood of proportions."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.dispersed import Dispersed


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Beta(Dispersed):
    """p(y | outputs) = ∏_d Beta(y_d; μ_d φ_d, (1 − μ_d) φ_d), μ = σ(outputs), outputs `[B, D]`.

    Targets lie strictly between 0 and 1 (Ferrari & Cribari-Neto 2004, equation 4).

    Args:
      precision: φ, positive; the start value where it is learned.
      trainable: learn one φ per target column.
    """

    argument = "precision"
    neutral_target = 0.5
    requirement = "strictly between 0 and 1"
    remedy = "squeeze proportions of 0 and 1 into the interval, and do not standardise them"

    def __init__(self, precision: float = 1.0, trainable: bool = True) -> None:
        super().__init__(precision, trainable)

    def num_outputs(self, num_targets: int) -> int:
        """D: the logits of the means."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The two exponents, a = μφ and b = (1 − μ)φ."""
        precision = self.dispersion(outputs.dtype)
        return tf.sigmoid(outputs) * precision, tf.sigmoid(-outputs) * precision

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """(a − 1) ln y + (b − 1) ln(1 − y) − ln B(a, b)."""
        a, b = parameters
        log_beta = tf.math.lgamma(a) + tf.math.lgamma(b) - tf.math.lgamma(a + b)
        return (a - 1) * tf.math.log(y) + (b - 1) * tf.math.log1p(-y) - log_beta

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """μ."""
        return parameters[0] / (parameters[0] + parameters[1])

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """μ (1 − μ)/(1 + φ)."""
        total = parameters[0] + parameters[1]
        return parameters[0] * parameters[1] / (total**2 * (total + 1))

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """I_y(a, b), the regularised incomplete beta function."""
        zeros = tf.zeros_like(y + parameters[0])
        inside = tf.clip_by_value(y + zeros, 0, 1)
        return tf.math.betainc(parameters[0] + zeros, parameters[1] + zeros, inside)

    def valid(self, y: tf.Tensor) -> tf.Tensor:
        """The open interval (0, 1)."""
        return (y > 0) & (y < 1)
