"""Heavy tails: Student-t and Cauchy priors."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class StudentT(Prior):
    """p(w) = ∏ᵢ t_ν((wᵢ − loc) / scale) / scale (Fortuin et al. 2022 find it in trained networks).

        ln p = ln Γ((ν + 1)/2) − ln Γ(ν/2) − ½ ln(ν π) − ln scale − (ν + 1)/2 ln(1 + z²/ν)

    The KL has no closed form: the ledger estimates it.

    Args:
      df: ν, degrees of freedom, positive.
      loc: of every element.
      scale: of every element, positive.
    """

    def __init__(self, df: float = 4.0, loc: float = 0.0, scale: float = 1.0) -> None:
        self.df = require_positive("df", df)
        self.loc = float(loc)
        self.scale = require_positive("scale", scale)

    def distribution(self) -> tfd.Distribution:
        """StudentT(ν, loc, scale), scalar."""
        return tfd.StudentT(self.df, self.loc, self.scale)

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """As above, of the tensor's shape."""
        half = 0.5 * (self.df + 1)
        constant = math.lgamma(half) - math.lgamma(0.5 * self.df)
        constant -= 0.5 * math.log(self.df * math.pi) + math.log(self.scale)
        z = (weights - self.loc) / self.scale
        return constant - half * tf.math.log1p(tf.square(z) / self.df)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"df": self.df, "loc": self.loc, "scale": self.scale}


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class Cauchy(StudentT):
    """p(w) = ∏ᵢ 1 / (π scale (1 + zᵢ²)), z = (w − loc) / scale: Student-t with ν = 1.

    Args:
      loc: of every element.
      scale: of every element, positive.
    """

    def __init__(self, loc: float = 0.0, scale: float = 1.0) -> None:
        super().__init__(1.0, loc, scale)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"loc": self.loc, "scale": self.scale}
