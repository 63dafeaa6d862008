"""The isotropic normal prior, fixed or with a learned scale."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.priors.prior import Prior, require_positive


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
            self._log_scale = self.add_variable(
                layer,
                f"{name}_prior_log_scale",
                shape=(),
                initializer=keras.initializers.Constant(math.log(self.scale)),
            )

    def distribution(self) -> tfd.Normal:
        """Normal(loc, scale), scalar."""
        return tfd.Normal(self.loc, self.current_scale())

    def current_scale(self) -> tf.Tensor:
        """The standard deviation of every element, scalar float32: fixed, or as learned so far.

        Raises:
          ValueError: a scale that is learned has no variable before its layer is built.
        """
        if not self.trainable:
            return tf.constant(self.scale, tf.float32)
        if self._log_scale is None:
            raise ValueError("Normal(trainable=True) has no variable yet: build its layer first.")
        return tf.exp(tf.convert_to_tensor(self._log_scale))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"loc": self.loc, "scale": self.scale, "trainable": self.trainable}
