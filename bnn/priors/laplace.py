"""The Laplace prior."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class Laplace(Prior):
    """p(w) = ∏ᵢ exp(−|wᵢ − loc| / scale) / (2 scale) (Williams 1995).

    Its variance is 2 scale². With a `Point` posterior it is the L1 penalty. The KL from a posterior
    with normal elements is closed form: E|x| of x ~ N(m, s²) is s √(2/π) exp(−m² / 2s²) +
    m erf(m / (s √2)).

    Args:
      loc: of every element.
      scale: of every element, positive.
    """

    def __init__(self, loc: float = 0.0, scale: float = 1.0) -> None:
        self.loc = float(loc)
        self.scale = require_positive("scale", scale)

    def distribution(self) -> tfd.Laplace:
        """Laplace(loc, scale), scalar."""
        return tfd.Laplace(self.loc, self.scale)

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """−|w − loc| / scale − ln 2 scale, of the tensor's shape."""
        return -tf.abs(weights - self.loc) / self.scale - math.log(2 * self.scale)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"loc": self.loc, "scale": self.scale}
