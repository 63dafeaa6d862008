"""A normal prior around given weights."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.priors")
class Around(Prior):
    """p(w) = ∏ᵢ N(wᵢ; mᵢ, scale²), m the weights of a trained network.

    As `bnn.convert` uses it m are the weights that it converts: the prior of transfer learning and
    of MOPED (Krishnan, Subedar & Tickoo 2020). A prior that has seen the training data makes the
    bound an empirical Bayes one: it is no evidence of that data. m is a variable that is not
    trained, saved with the layer; zeros until `initialise`.

    Args:
      scale: standard deviation of every element, positive.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = require_positive("scale", scale)
        self._loc: keras.Variable | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Creates m."""
        self._loc = self.add_variable(
            layer, f"{name}_prior_loc", shape, initializer="zeros", trainable=False
        )

    def initialise(self, weights: Any) -> None:
        """Sets m."""
        assert self._loc is not None  # the layer builds it with the site
        self._loc.assign(weights)

    @property
    def loc(self) -> tf.Tensor:
        """M, float32, of the tensor's shape; ValueError before its layer is built."""
        if self._loc is None:
            raise ValueError("Around() has no variable yet: build its layer first.")
        return tf.convert_to_tensor(self._loc)

    def current_scale(self) -> tf.Tensor:
        """The standard deviation of every element, scalar float32."""
        return tf.constant(self.scale, tf.float32)

    def distribution(self) -> tfd.Normal:
        """Normal(m, scale), of the tensor's shape."""
        return tfd.Normal(self.loc, self.scale)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"scale": self.scale}
