"""The normal likelihood with one noise level for all inputs."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.regression import NormalRegression


@gin.register(module="bnn.likelihoods")
class Normal(NormalRegression):
    """p(y | outputs) = ∏_d N(y_d; outputs_d, scale_d²): homoscedastic regression.

    Args:
      scale: standard deviation of the observation noise, positive, in the units that the model is
        trained in; the start value where it is learned.
      trainable: learn one scale per target column by maximising the ELBO. The variable is its log.
    """

    def __init__(self, scale: float = 1.0, trainable: bool = False) -> None:
        if not 0 < scale < math.inf:
            raise ValueError(f"scale must be a positive finite number, got {scale}.")
        self.initial_scale = float(scale)
        self.trainable = bool(trainable)
        self._log_scale: keras.Variable | None = None

    def build(self, num_targets: int = 1) -> None:
        """Creates the log scale `[D]`."""
        if self._log_scale is None:
            self._log_scale = keras.Variable(
                keras.ops.full((num_targets,), math.log(self.initial_scale)),
                dtype="float32",
                trainable=self.trainable,
                autocast=False,
                name="noise_log_scale",
            )

    @property
    def variables(self) -> list[keras.Variable]:
        """The log scale."""
        self.build()
        return [self._log_scale]

    @property
    def scale(self) -> tf.Tensor:
        """Standard deviation of the observation noise, `[D]`."""
        return tf.exp(tf.convert_to_tensor(self.variables[0]))

    def num_outputs(self, num_targets: int) -> int:
        """D: the means."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The outputs `[…, D]` and the scale `[D]`."""
        return tf.cast(outputs, tf.float32), self.scale
