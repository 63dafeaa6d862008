"""The normal likelihood with one noise level for all inputs."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.learned import PerColumn
from bnn.likelihoods.regression import NormalRegression


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class Normal(NormalRegression):
    """p(y | outputs) = ∏_d N(y_d; outputs_d, scale_d²): homoscedastic regression.

    Args:
      scale: standard deviation of the observation noise, positive, in the units that the model is
        trained in; the start value where it is learned.
      trainable: learn one scale per target column by maximising the ELBO. The variable is its log,
        created by `build(D)` or by the first targets; a later build for another D is refused.
    """

    def __init__(self, scale: float = 1.0, trainable: bool = False) -> None:
        self._scale = PerColumn("Normal", "scale", scale, trainable, "noise_log_scale")

    def build(self, num_targets: int = 1) -> None:
        """Creates the log scale `[D]`."""
        self._scale.build(num_targets)

    def require_built(self, num_targets: int | None) -> None:
        """Creates a learned log scale for the first targets."""
        self._scale.require(num_targets)

    @property
    def variables(self) -> list[keras.Variable]:
        """The log scale."""
        return self._scale.variables

    @property
    def scale(self) -> tf.Tensor:
        """Standard deviation of the observation noise, `[D]`."""
        scale = self._scale.value()
        return scale + tf.zeros(self.variables[0].shape if self.variables else [1])

    def num_outputs(self, num_targets: int) -> int:
        """D: the means."""
        return num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The outputs `[…, D]` and the scale, `[D]` where it is learned."""
        return outputs, self._scale.value(outputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"scale": self._scale.initial, "trainable": self._scale.trainable}
