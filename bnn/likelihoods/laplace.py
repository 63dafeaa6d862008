"""The Laplace likelihood: regression of the median."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.dispersed import Dispersed


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Laplace(Dispersed):
    """p(y | outputs) = ∏_d exp(−|y_d − outputs_d|/s_d)/(2 s_d), outputs = medians `[B, D]`.

    Args:
      scale: s, positive, in the units that the model is trained in; the start value where learned.
      trainable: learn one scale per target column.
    """

    argument = "scale"

    def __init__(self, scale: float = 1.0, trainable: bool = True) -> None:
        super().__init__(scale, trainable)

    def num_outputs(self, num_targets: int) -> int:
        """D: the medians."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Median and scale."""
        return outputs, self.dispersion(outputs.dtype)

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """−|y − loc|/s − ln 2s."""
        loc, scale = parameters
        return -tf.abs(y - loc) / scale - tf.math.log(2 * scale)

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """The median."""
        return parameters[0]

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """2 s²."""
        return 2 * parameters[1] ** 2 + tf.zeros_like(parameters[0])

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """½ e^z below the median, z = (y − loc)/s, and 1 − ½ e^−z above."""
        z = (y - parameters[0]) / parameters[1]
        tail = 0.5 * tf.exp(-tf.abs(z))
        return tf.where(z < 0, tail, 1 - tail)

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Loc + s ln 2q below ½, and loc − s ln 2(1 − q) above."""
        loc, scale = parameters
        return loc + scale * tf.where(q < 0.5, tf.math.log(2 * q), -tf.math.log(2 * (1 - q)))
