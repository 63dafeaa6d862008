"""The asymmetric Laplace likelihood: regression of a quantile."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.dispersed import Dispersed


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Quantile(Dispersed):
    """p(y | outputs) = ∏_d τ (1 − τ)/s exp(−ρ_τ((y_d − m_d)/s)), ρ_τ(z) = z (τ − [z < 0]).

    The outputs m `[B, D]` are the τ-quantiles of the targets: −log p is the check loss (Koenker &
    Bassett 1978) up to a constant; the asymmetric Laplace makes it a likelihood (Yu & Moyeed 2001).
    It is a working likelihood: quantiles of its predictive other than τ are those of that shape.

    Args:
      level: τ, strictly between 0 and 1.
      scale: s, positive, in the units that the model is trained in; the start value where learned.
      trainable: learn one scale per target column.
    """

    argument = "scale"

    def __init__(self, level: float = 0.5, scale: float = 1.0, trainable: bool = True) -> None:
        super().__init__(scale, trainable)
        if isinstance(level, (bool, str)) or not 0 < level < 1:
            raise ValueError(
                f"level must lie strictly between 0 and 1, got {level!r}; 0.5 is the median."
            )
        self.level = float(level)

    def num_outputs(self, num_targets: int) -> int:
        """D: the quantiles."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The τ-quantile and the scale."""
        return outputs, self.dispersion(outputs.dtype)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Ln τ(1 − τ) − ln s − ρ_τ(z)."""
        loc, scale = parameters
        z = (y - loc) / scale
        check = tf.maximum(self.level * z, (self.level - 1) * z)
        return math.log(self.level * (1 - self.level)) - tf.math.log(scale) - check

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """Loc + s (1 − 2τ)/(τ(1 − τ))."""
        tau = self.level
        return parameters[0] + parameters[1] * (1 - 2 * tau) / (tau * (1 - tau))

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """Variance s² (1 − 2τ + 2τ²)/(τ(1 − τ))²."""
        tau = self.level
        factor = (1 - 2 * tau + 2 * tau**2) / (tau * (1 - tau)) ** 2
        return factor * parameters[1] ** 2 + tf.zeros_like(parameters[0])

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """τ e^((1−τ)z) below the quantile, and 1 − (1 − τ) e^(−τz) above."""
        z = (y - parameters[0]) / parameters[1]
        tau = self.level
        below = tau * tf.exp((1 - tau) * tf.minimum(z, 0))
        return tf.where(z < 0, below, 1 - (1 - tau) * tf.exp(-tau * tf.maximum(z, 0)))

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Loc + s ln(q/τ)/(1 − τ) below τ, and loc − s ln((1 − q)/(1 − τ))/τ above."""
        loc, scale = parameters
        tau = self.level
        below, above = tf.math.log(q / tau) / (1 - tau), -tf.math.log((1 - q) / (1 - tau)) / tau
        return loc + scale * tf.where(q < tau, below, above)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "level": self.level}
