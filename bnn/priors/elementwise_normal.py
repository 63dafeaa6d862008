"""What normal priors of independent elements have in common."""

from __future__ import annotations

import abc
import math
from typing import Any

import tensorflow as tf

from bnn import distributions as tfd
from bnn.priors.prior import Prior


class ElementwiseNormal(Prior):
    """p(w) = ∏ᵢ N(wᵢ; mᵢ, sᵢ²), m and s broadcasting to the tensor's shape.

    Attributes:
      loc: m.
    """

    loc: Any = 0.0

    @abc.abstractmethod
    def current_scale(self) -> tf.Tensor:
        """S, float32, of a shape that broadcasts to the tensor's."""

    def distribution(self) -> tfd.Normal:
        """Normal(m, s)."""
        return tfd.Normal(self.loc, self.current_scale())

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """−½ ((w − m) / s)² − ln s − ½ ln 2π, of the tensor's shape."""
        scale = self.current_scale()
        z = (weights - self.loc) / scale
        return -0.5 * tf.square(z) - tf.math.log(scale) - 0.5 * math.log(2 * math.pi)
