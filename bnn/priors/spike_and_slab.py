"""Spike and slab, both Laplace."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class SpikeAndSlab(Prior):
    """p(w) = ∏ᵢ [π L(wᵢ; slab_scale) + (1 − π) L(wᵢ; spike_scale)], L(w; b) = exp(−|w| / b) / 2b.

    The spike-and-slab LASSO (Ročková & George 2018, equation 2): a spike with a density, so that
    every posterior has a finite KL to it. With normal components it is
    `bnn.priors.ScaleMixture`. The KL has no closed form: the ledger estimates it.

    Args:
      weight: π, the share of the slab, between 0 and 1.
      slab_scale: scale of the slab, positive.
      spike_scale: scale of the spike, positive, below `slab_scale`.
    """

    def __init__(
        self, weight: float = 0.5, slab_scale: float = 1.0, spike_scale: float = 0.01
    ) -> None:
        if not 0 < weight < 1:
            raise ValueError(
                f"weight must lie strictly between 0 and 1, got {weight}; "
                "for the slab alone use bnn.priors.Laplace(scale=...)."
            )
        self.weight = float(weight)
        self.slab_scale = require_positive("slab_scale", slab_scale)
        self.spike_scale = require_positive("spike_scale", spike_scale)
        if not self.spike_scale < self.slab_scale:
            raise ValueError(
                f"spike_scale must be below slab_scale, got spike_scale={spike_scale} and "
                f"slab_scale={slab_scale}; swap them."
            )

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """As above, of the tensor's shape."""
        size = tf.abs(weights)
        parts = (
            (self.weight, self.slab_scale),
            (1 - self.weight, self.spike_scale),
        )
        slab, spike = (math.log(share / (2 * b)) - size / b for share, b in parts)
        larger = tf.maximum(slab, spike)
        return larger + tf.math.log1p(tf.exp(tf.minimum(slab, spike) - larger))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "weight": self.weight,
            "slab_scale": self.slab_scale,
            "spike_scale": self.spike_scale,
        }
