"""The normal family with a full covariance per tensor."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.noise import Noise
from bnn.posteriors.joint_normal import JointNormal
from bnn.posteriors.triangular import add_triangular
from bnn.posteriors.validation import require_count, require_scale


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class FullCovarianceNormal(JointNormal):
    """q(w) = N(vec w; μ, L Lᵀ), L lower triangular with the diagonal exp ℓ.

    The Gaussian family of Challis & Barber (2013), w = μ + L ε. D² + 2 D parameters are stored for
    D weights, of which D (D + 3) / 2 count; a sample costs D² operations. Weights of different
    tensors are independent. The estimators in weight space serve it.

    Args:
      initial_scale: standard deviation of every element at the start, positive.
      max_size: the largest D that is built, so that no large tensor fills the memory by mistake.
    """

    def __init__(self, initial_scale: float = 0.02, max_size: int = 4096) -> None:
        self.initial_scale = require_scale(initial_scale)
        self.max_size = require_count("max_size", max_size)

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        if self.size > self.max_size:
            raise ValueError(
                f"max_size of FullCovarianceNormal must be at least the {self.size} weights of "
                f"{name!r} {self.shape}, got {self.max_size}; their covariance has "
                f"{4 * self.size**2 / 2**20:.0f} MiB. Raise it, or use LowRankNormal or "
                "MatrixNormal."
            )
        self.add_mean(layer, name, **options)
        start = math.log(self.initial_scale)
        self._factor = add_triangular(self, layer, f"{name}_factor", self.size, start)

    def factor(self) -> tf.Tensor:
        """L, float32, `[D, D]`."""
        self.shape  # noqa: B018  (raises the clear error before build)
        return self._factor.matrix()

    @property
    def variance(self) -> tf.Tensor:
        """The diagonal of L Lᵀ."""
        return tf.reshape(tf.reduce_sum(tf.square(self.factor()), axis=1), self.shape)

    def covariance(self) -> tf.Tensor:
        """L Lᵀ."""
        factor = self.factor()
        return tf.matmul(factor, factor, transpose_b=True)

    def half_log_det(self) -> tf.Tensor:
        """Σ ℓ."""
        self.shape  # noqa: B018
        return self._factor.log_det()

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """L ε."""
        return tf.reshape(tf.linalg.matvec(self.factor(), noise.normal([self.size])), self.shape)

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """By one triangular solve."""
        deviation = tf.reshape(weights - self.mean, [-1, 1])
        white = tf.linalg.triangular_solve(self.factor(), deviation)
        return self.normal_log_prob(tf.reduce_sum(tf.square(white)), self.half_log_det())

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"initial_scale": self.initial_scale, "max_size": self.max_size}
