"""The normal likelihood whose noise level depends on the input."""

from __future__ import annotations

import math

import gin
import tensorflow as tf

from bnn.likelihoods.regression import NormalRegression


@gin.register(module="bnn.likelihoods")
class HeteroscedasticNormal(NormalRegression):
    """p(y | outputs) = ∏_d N(y_d; m_d, s_d²), outputs = (m, r) `[B, 2 D]`, s = softplus(r) + min.

    Args:
      min_scale: smallest standard deviation, positive, in the units that the model is trained in:
        keeps the density bounded (Nix & Weigend 1994; Lakshminarayanan et al. 2017).
    """

    def __init__(self, min_scale: float = 1e-3) -> None:
        if not 0 < min_scale < math.inf:
            raise ValueError(f"min_scale must be a positive finite number, got {min_scale}.")
        self.min_scale = float(min_scale)

    def num_outputs(self, num_targets: int) -> int:
        """2 D: means and raw scales."""
        return 2 * num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and scale, `[…, D]` each."""
        if outputs.shape[-1] is not None and outputs.shape[-1] % 2:
            raise ValueError(
                "HeteroscedasticNormal needs 2 outputs per target, mean and raw scale, got "
                f"{outputs.shape[-1]} outputs; size the last layer with num_outputs(num_targets)."
            )
        mean, raw = tf.split(tf.cast(outputs, tf.float32), 2, axis=-1)
        return mean, tf.math.softplus(raw) + self.min_scale
