"""The normal prior whose scale falls with the number of inputs."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.priors.elementwise_normal import ElementwiseNormal
from bnn.priors.prior import require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class FanInNormal(ElementwiseNormal):
    """p(w) = ∏ᵢ N(wᵢ; 0, gain² / fan_in): outputs keep their spread in any width (Neal 1996, 2.2).

    fan_in is the product of all axes of the tensor but the last; a vector, such as a bias, has 1.

    Args:
      gain: standard deviation of the output for inputs of unit mean square, positive.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = require_positive("gain", gain)
        self._fan_in: int | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Takes note of the fan-in."""
        self._fan_in = max(math.prod(shape[:-1]), 1)

    def current_scale(self) -> tf.Tensor:
        """Gain / √fan_in, scalar; ValueError before `build`."""
        if self._fan_in is None:
            raise ValueError("FanInNormal knows no fan-in yet: build its layer first.")
        return tf.constant(self.gain / math.sqrt(self._fan_in), tf.float32)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"gain": self.gain}
