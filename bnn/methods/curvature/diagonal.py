"""The GGN's diagonal."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.methods.curvature.blocks import sum_of_rows
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

    def width(self, columns: int, model: keras.Model, inputs: Any) -> int:
        """K P."""
        del model, inputs
        return columns * self.weights.size

    def gather(self, model: keras.Model, likelihood: Any, inputs: Any, share: tf.Tensor) -> Any:
        """Σ_b share_b Σ_k (Rᵀ J)²_kp."""

        def squares(rows: tf.Tensor) -> tf.Tensor:
            by_example = tf.cast(tf.reduce_sum(tf.square(rows), axis=1), tf.float64)
            return tf.linalg.matvec(by_example, share, transpose_a=True)

        return sum_of_rows(model, self.weights, likelihood, inputs, squares)

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

    def whiten(self, vectors: tf.Tensor) -> tf.Tensor:
        """Vectors / √(h + δ)."""
        return vectors * tf.math.rsqrt(self._whole())

    def _whole(self) -> tf.Tensor:
        return tf.convert_to_tensor(self._curvature.value) + tf.convert_to_tensor(
            self.precision.value
        )
