"""The log-normal likelihood of positive targets."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.dispersed import Dispersed, Positive


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class LogNormal(Positive, Dispersed):
    """ln y_d ~ N(outputs_d, s_d²), outputs = medians of ln y `[B, D]`; targets are positive.

    Args:
      scale: s, standard deviation of ln y, positive; the start value where it is learned.
      trainable: learn one scale per target column.
    """

    argument = "scale"

    def __init__(self, scale: float = 1.0, trainable: bool = True) -> None:
        super().__init__(scale, trainable)

    def num_outputs(self, num_targets: int) -> int:
        """D: the means of ln y."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Mean and standard deviation of ln y."""
        return outputs, self.dispersion(outputs.dtype)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """−½ z² − ln s − ½ ln 2π − ln y, z = (ln y − m)/s."""
        loc, scale = parameters
        log_y = tf.math.log(y)
        z = (log_y - loc) / scale
        return -0.5 * z**2 - tf.math.log(scale) - 0.5 * math.log(2 * math.pi) - log_y

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """Exp(m + s²/2)."""
        return tf.exp(parameters[0] + 0.5 * parameters[1] ** 2)

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """(exp s² − 1) exp(2m + s²)."""
        loc, scale = parameters
        return tf.math.expm1(scale**2) * tf.exp(2 * loc + scale**2)

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Φ((ln y − m)/s) for positive y, else 0."""
        loc, scale = parameters
        z = (tf.math.log(tf.where(y > 0, y, tf.ones_like(y))) - loc) / scale
        value = 0.5 * tf.math.erfc(-z / math.sqrt(2.0))
        return tf.where(y > 0, value, tf.zeros_like(value))

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Exp(m + s Φ⁻¹(q))."""
        return tf.exp(parameters[0] + parameters[1] * tf.math.ndtri(q))
