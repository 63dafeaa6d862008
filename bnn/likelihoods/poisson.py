"""The Poisson likelihood of counts."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.likelihoods import incomplete_gamma
from bnn.likelihoods.dispersed import Counts


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Poisson(Counts):
    """p(y | outputs) = ∏_d e^−λ_d λ_d^y_d / y_d!, outputs = ln λ `[B, D]`."""

    def num_outputs(self, num_targets: int) -> int:
        """D: the logarithms of the rates."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The logarithms of the rates."""
        return (outputs,)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Ln p = y ln λ − λ − ln Γ(y + 1)."""
        return y * parameters[0] - tf.exp(parameters[0]) - tf.math.lgamma(y + 1)

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """λ."""
        return tf.exp(parameters[0])

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """λ."""
        return tf.exp(parameters[0])

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Q(⌊y⌋ + 1, λ), the regularised upper incomplete gamma function."""
        rate = tf.exp(parameters[0]) + tf.zeros_like(y)
        at = tf.floor(y) + tf.zeros_like(rate)
        value = incomplete_gamma.upper(tf.maximum(at, 0) + 1, rate)
        return tf.where(at < 0, tf.zeros_like(value), value)
