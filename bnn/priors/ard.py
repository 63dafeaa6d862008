"""Automatic relevance determination: a learned scale for every channel."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.priors.elementwise_normal import ElementwiseNormal
from bnn.priors.prior import require_positive

_AXES = {"inputs": -2, "outputs": -1}


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class ARD(ElementwiseNormal):
    """p(w) = ∏ N(w_ij; 0, s_i²), one s per input channel, or output channel (MacKay 1994).

    s is learned by maximising the ELBO (empirical Bayes): the KL's minimum in s_i² is the mean of
    E_q[w²] over the channel's weights, so that the scales of channels that the data do not need
    shrink towards zero. The variables are ln s. A vector has one s per element.

    Args:
      channels: `"inputs"`, the tensor's last axis but one, or `"outputs"`, its last.
      scale: s of every channel at the start, positive.
    """

    def __init__(self, channels: str = "inputs", scale: float = 1.0) -> None:
        if channels not in _AXES:
            raise ValueError(f'channels must be "inputs" or "outputs", got {channels!r}.')
        self.channels = channels
        self.scale = require_positive("scale", scale)
        self._log_scale: keras.Variable | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Creates ln s."""
        own = [1] * len(shape)
        if shape:
            axis = _AXES[self.channels] if len(shape) > 1 else -1
            own[axis] = shape[axis]
        self._log_scale = self.add_variable(
            layer,
            f"{name}_prior_log_scale",
            shape=tuple(own),
            initializer=keras.initializers.Constant(math.log(self.scale)),
        )

    def current_scale(self) -> tf.Tensor:
        """S, with axes of length 1 for what shares it; ValueError before `build`."""
        if self._log_scale is None:
            raise ValueError("ARD has no variable yet: build its layer first.")
        return tf.exp(tf.convert_to_tensor(self._log_scale))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"channels": self.channels, "scale": self.scale}
