"""The Student-t likelihood: regression with outliers."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.dispersed import Dispersed
from bnn.likelihoods.learned import check_positive


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class StudentT(Dispersed):
    """p(y | outputs) = ∏_d t_ν((y_d − outputs_d)/s_d)/s_d, outputs = locations `[B, D]`.

    An observation far away weighs less than under a normal (Lange, Little, Taylor 1989).

    Args:
      scale: s, positive, in the units that the model is trained in; the start value where learned.
      df: ν, degrees of freedom, above 2, so that the variance exists; 4 is usual for outliers.
      trainable: learn one scale per target column.
    """

    argument = "scale"

    def __init__(self, scale: float = 1.0, df: float = 4.0, trainable: bool = True) -> None:
        super().__init__(scale, trainable)
        self.df = check_positive("df", df)
        if self.df <= 2:
            raise ValueError(
                f"df must be above 2, so that the variance exists, got {df}; 4 is usual."
            )

    def num_outputs(self, num_targets: int) -> int:
        """D: the locations."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Location and scale."""
        return outputs, self.dispersion(outputs.dtype)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Ln Γ((ν+1)/2) − ln Γ(ν/2) − ½ ln νπ − ln s − (ν+1)/2 ln(1 + z²/ν), z = (y − loc)/s."""
        loc, scale = parameters
        half = self.df / 2
        constant = math.lgamma(half + 0.5) - math.lgamma(half) - 0.5 * math.log(self.df * math.pi)
        kernel = tf.math.log1p(((y - loc) / scale) ** 2 / self.df)
        return constant - tf.math.log(scale) - (half + 0.5) * kernel

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """The location."""
        return parameters[0]

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """Variance s² ν/(ν − 2)."""
        return parameters[1] ** 2 * self.df / (self.df - 2) + tf.zeros_like(parameters[0])

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """½ I_x(ν/2, ½) below the location, x = ν/(ν + z²), and 1 minus it above."""
        z = (y - parameters[0]) / parameters[1]
        x = self.df / (self.df + z**2)
        tail = 0.5 * tf.math.betainc(
            tf.fill(tf.shape(x), tf.cast(self.df / 2, x.dtype)), 0.5 * tf.ones_like(x), x
        )
        return tf.where(z < 0, tail, 1 - tail)

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Loc + s t_ν⁻¹(q): one root for each q, whatever the number of locations."""
        loc, scale = parameters
        zero, one = tf.zeros((), q.dtype), tf.ones((), q.dtype)
        return loc + scale * super().quantile(q, zero, one)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "df": self.df}
