"""A normal prior whose scale is chosen by the functions that it gives."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.priors.elementwise_normal import ElementwiseNormal
from bnn.priors.prior import require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class FunctionSpaceNormal(ElementwiseNormal):
    """w ~ N(0, s²), one s for the tensor, such that the model's functions are those of a process.

    The functional prior of Tran et al. (2022), with normal priors: `bnn.conversion.match_priors`
    chooses s of all tensors together, before any data are seen. In training s stays as it is: it is
    a variable that is not trained, saved with the layer, and the ELBO is that of a fixed prior.

    Args:
      scale: s before it is matched, positive.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = require_positive("scale", scale)
        self._log_scale: keras.Variable | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Creates ln s."""
        del shape
        self._log_scale = self.add_variable(
            layer,
            f"{name}_prior_log_scale",
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.scale)),
            trainable=False,
        )

    def current_scale(self) -> tf.Tensor:
        """S as matched, scalar float32; ValueError before `build`."""
        if self._log_scale is None:
            raise ValueError("FunctionSpaceNormal has no variable yet: build its layer first.")
        return tf.exp(tf.convert_to_tensor(self._log_scale))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"scale": self.scale}
