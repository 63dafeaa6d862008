"""The normal likelihood whose noise level depends on the input."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.learned import check_positive
from bnn.likelihoods.regression import NormalRegression


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class HeteroscedasticNormal(NormalRegression):
    """p(y | outputs) = ∏_d N(y_d; m_d, s_d²), outputs = (m, r) `[B, 2 D]`, s = softplus(r) + min.

    Args:
      min_scale: smallest standard deviation, positive, in the units that the model is trained in:
        keeps the density bounded (Nix & Weigend 1994; Lakshminarayanan et al. 2017).
    """

    def __init__(self, min_scale: float = 1e-3) -> None:
        self.min_scale = check_positive("min_scale", min_scale)

    def num_outputs(self, num_targets: int) -> int:
        """2 D: means and raw scales."""
        return 2 * num_targets

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and scale, `[…, D]` each."""
        self.num_columns(outputs.shape[-1])
        mean, raw = tf.split(outputs, 2, axis=-1)
        return mean, tf.math.softplus(raw) + self.min_scale

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"min_scale": self.min_scale}
