"""The scale mixture of two normals."""

from __future__ import annotations

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.priors")
class ScaleMixture(Prior):
    """p(w) = ∏ᵢ [π N(wᵢ; 0, σ₁²) + (1 − π) N(wᵢ; 0, σ₂²)] (Blundell et al. 2015, equation 7).

    The wide component leaves room for large weights, the narrow one pulls the others to zero. The
    KL has no closed form: the ledger estimates it by Monte Carlo.

    Args:
      weight: π, the share of the wide component, between 0 and 1.
      wide_scale: σ₁, positive.
      narrow_scale: σ₂, positive, below `wide_scale`.
    """

    def __init__(
        self, weight: float = 0.5, wide_scale: float = 1.0, narrow_scale: float = 0.0025
    ) -> None:
        if not 0 < weight < 1:
            raise ValueError(
                f"weight must lie strictly between 0 and 1, got {weight}; "
                "for a single component use bnn.priors.Normal(scale=...)."
            )
        self.weight = float(weight)
        self.wide_scale = require_positive("wide_scale", wide_scale)
        self.narrow_scale = require_positive("narrow_scale", narrow_scale)
        if not self.narrow_scale < self.wide_scale:
            raise ValueError(
                f"narrow_scale must be below wide_scale, got narrow_scale={narrow_scale} and "
                f"wide_scale={wide_scale}; swap them."
            )

    def distribution(self) -> tfd.MixtureSameFamily:
        """The mixture of one element, scalar."""
        return tfd.MixtureSameFamily(
            tfd.Categorical(probs=tf.constant([self.weight, 1 - self.weight])),
            tfd.Normal(0.0, tf.constant([self.wide_scale, self.narrow_scale])),
        )

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "weight": self.weight,
            "wide_scale": self.wide_scale,
            "narrow_scale": self.narrow_scale,
        }
