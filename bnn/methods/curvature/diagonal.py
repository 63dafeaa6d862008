"""The GGN's diagonal."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.methods.curvature.blocks import whitened_jacobians
from bnn.methods.curvature.structure import Structure
from bnn.methods.curvature.weights import Weights


class Diagonal(Structure):
    """h_p = Σ_n (J_nᵀ Λ_n J_n)_pp: weights independent of one another (LeCun et al. 1990)."""

    name = "diagonal"

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self._curvature = self.variable([weights.size], "laplace_curvature")

    @property
    def variables(self) -> list[keras.Variable]:
        """H and δ."""
        return [self._curvature, self.precision]

    def width(self, columns: int) -> int:
        """K P."""
        return columns * self.weights.size

    def gather(self, model: keras.Model, likelihood: Any, inputs: Any, share: tf.Tensor) -> Any:
        """Σ_b share_b Σ_k (Rᵀ J)²_kp."""
        rows = whitened_jacobians(model, self.weights, likelihood, inputs)
        squares = tf.cast(tf.reduce_sum(tf.square(rows), axis=1), tf.float64)
        return tf.linalg.matvec(squares, share, transpose_a=True)

    def prepare(self, total: Any, num_train: float) -> tf.Tensor:
        """H itself."""
        del num_train
        return total

    def held(self) -> tf.Tensor:
        """The variable."""
        return tf.convert_to_tensor(self._curvature.value)

    def log_det(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """Σ ln(factor h + δ)."""
        return tf.reduce_sum(tf.math.log(factor * curvature + precision))

    def settle(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> None:
        """Both."""
        self._curvature.assign(factor * curvature)
        self.precision.assign(precision)

    def spread(self, normal: tf.Tensor) -> tf.Tensor:
        """ε / √(h + δ)."""
        return normal * tf.math.rsqrt(self._whole())

    def covariance(self, jacobians: tf.Tensor) -> tf.Tensor:
        """Σ_p J_cp J_dp / (h_p + δ_p)."""
        rows = tf.cast(jacobians, tf.float64) * tf.math.rsqrt(self._whole())
        return tf.matmul(rows, rows, transpose_b=True)

    def _whole(self) -> tf.Tensor:
        return tf.convert_to_tensor(self._curvature.value) + tf.convert_to_tensor(
            self.precision.value
        )
