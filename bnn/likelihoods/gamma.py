"""The Gamma likelihood of positive targets."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.likelihoods import incomplete_gamma
from bnn.likelihoods.dispersed import Dispersed, Positive


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Gamma(Positive, Dispersed):
    """p(y | outputs) = ∏_d Gamma(y_d; shape k_d, mean μ_d), outputs = ln μ `[B, D]`.

    (k/μ)^k y^(k−1) e^(−ky/μ)/Γ(k), of constant coefficient of variation 1/√k (McCullagh & Nelder
    1989, chapter 8).

    Args:
      concentration: k, positive; the start value where it is learned.
      trainable: learn one k per target column.
    """

    argument = "concentration"

    def __init__(self, concentration: float = 1.0, trainable: bool = True) -> None:
        super().__init__(concentration, trainable)

    def num_outputs(self, num_targets: int) -> int:
        """D: the logarithms of the means."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Ln μ and k."""
        return outputs, self.dispersion(outputs.dtype)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Ln p = k (ln k − ln μ) + (k − 1) ln y − k y/μ − ln Γ(k)."""
        log_mean, k = parameters
        return (
            k * (tf.math.log(k) - log_mean)
            + (k - 1) * tf.math.log(y)
            - k * y * tf.exp(-log_mean)
            - tf.math.lgamma(k)
        )

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """μ."""
        return tf.exp(parameters[0])

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """μ²/k."""
        return tf.exp(2 * parameters[0]) / parameters[1]

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """P(k, k y/μ), the regularised lower incomplete gamma function."""
        log_mean, k = parameters
        x = k * tf.maximum(y, 0) * tf.exp(-log_mean)
        return incomplete_gamma.lower(k + tf.zeros_like(x), x)
