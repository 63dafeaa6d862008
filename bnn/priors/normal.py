"""The isotropic normal prior, fixed or with a learned scale."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from bnn.priors.prior import Prior, require_positive
from bnn.variables import add_float32_weight


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.priors")
class Normal(Prior):
    """p(w) = ∏ᵢ N(wᵢ; loc, scale²).

    Args:
      loc: mean of every element.
      scale: standard deviation of every element, positive; the start value of a learned one.
      trainable: learn one scale for the tensor by maximising the ELBO (empirical Bayes). The
        variable is the log scale. The bound then holds for the model with the learned prior.
    """

    def __init__(self, loc: float = 0.0, scale: float = 1.0, trainable: bool = False) -> None:
        self.loc = float(loc)
        self.scale = require_positive("scale", scale)
        self.trainable = bool(trainable)
        self._log_scale: keras.Variable | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Creates the log scale where it is learned."""
        del shape
        if self.trainable:
            self._log_scale = add_float32_weight(
                layer,
                f"{name}_prior_log_scale",
                shape=(),
                initializer=keras.initializers.Constant(math.log(self.scale)),
            )

    def distribution(self) -> tfd.Normal:
        """Normal(loc, scale), scalar."""
        if not self.trainable:
            return tfd.Normal(self.loc, self.scale)
        if self._log_scale is None:
            raise ValueError("Normal(trainable=True) has no variable yet: build its layer first.")
        return tfd.Normal(self.loc, tf.exp(tf.convert_to_tensor(self._log_scale)))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"loc": self.loc, "scale": self.scale, "trainable": self.trainable}
