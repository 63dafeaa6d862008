"""A normal prior with correlated inputs and outputs."""

from __future__ import annotations

import math

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.noise import Noise
from bnn.priors.prior import Prior, require_positive


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class MatrixNormal(Prior):
    """p(W) = MN(W; 0, s² R(ρ_n), R(ρ_m)), R(ρ)_ij = ρ^|i − j| (Louizos & Welling 2016).

    Neighbouring rows have the correlation ρ_n and neighbouring columns ρ_m. All axes of the tensor
    but the last are rows, in the tensor's order; for filters whose neighbouring places are
    correlated see `CorrelatedConvolution`. With the Cholesky factor L of R(ρ), whose inverse
    takes (1, −ρ) / √(1 − ρ²) between neighbours and whose determinant is (1 − ρ²)^{(n − 1)/2},

        ln p(W) = −½ ‖L_n⁻¹ W L_m⁻ᵀ‖² / s² − m ln det L_n − n ln det L_m − n m ln(s √2π).

    Args:
      scale: s, standard deviation of every element, positive.
      row_correlation: ρ_n, between −1 and 1.
      column_correlation: ρ_m, likewise.
    """

    def __init__(
        self,
        scale: float = 1.0,
        row_correlation: float = 0.5,
        column_correlation: float = 0.0,
    ) -> None:
        self.scale = require_positive("scale", scale)
        for name, value in (
            ("row_correlation", row_correlation),
            ("column_correlation", column_correlation),
        ):
            if not -1 < value < 1:
                raise ValueError(f"{name} must lie strictly between -1 and 1, got {value}.")
        self.row_correlation = float(row_correlation)
        self.column_correlation = float(column_correlation)
        self._shape: tuple[int, int] | None = None

    def build(self, layer: keras.layers.Layer, name: str, shape: tuple[int, ...]) -> None:
        """Takes note of rows and columns."""
        columns = shape[-1] if shape else 1
        self._shape = (max(math.prod(shape[:-1]), 1), columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; ValueError before `build`."""
        if self._shape is None:
            raise ValueError("MatrixNormal knows no shape yet: build its layer first.")
        return self._shape

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """As above, scalar."""
        white = _whiten(tf.reshape(weights, self.shape), self.row_correlation)
        white = _whiten(tf.transpose(white), self.column_correlation)
        return -0.5 * tf.reduce_sum(tf.square(white)) / self.scale**2 - self.half_log_det()

    def deviation(self, noise: Noise, shape: tuple[int, ...]) -> tf.Tensor:
        """The matrix s L_n ε L_mᵀ, ε ~ N(0, 1)."""
        rows = _colour(noise.normal(self.shape), self.row_correlation)
        columns = _colour(tf.transpose(rows), self.column_correlation)
        return self.scale * tf.reshape(tf.transpose(columns), shape)

    def half_log_det(self) -> float:
        """½ ln det of the covariance, and D/2 ln 2π."""
        rows, columns = self.shape
        total = rows * columns * (math.log(self.scale) + 0.5 * math.log(2 * math.pi))
        total += columns * (rows - 1) * 0.5 * math.log1p(-(self.row_correlation**2))
        return total + rows * (columns - 1) * 0.5 * math.log1p(-(self.column_correlation**2))

    def precisions(self) -> tuple[tf.Tensor, tf.Tensor]:
        """R(ρ_n)⁻¹ / s² and R(ρ_m)⁻¹, tridiagonal, dense."""
        rows, columns = self.shape
        return (
            tf.constant(_precision(rows, self.row_correlation) / self.scale**2, tf.float32),
            tf.constant(_precision(columns, self.column_correlation), tf.float32),
        )

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "scale": self.scale,
            "row_correlation": self.row_correlation,
            "column_correlation": self.column_correlation,
        }


def _whiten(matrix: tf.Tensor, correlation: float) -> tf.Tensor:
    """L⁻¹ of R(ρ) applied to the rows."""
    rest = (matrix[1:] - correlation * matrix[:-1]) / math.sqrt(1 - correlation**2)
    return tf.concat([matrix[:1], rest], axis=0)


def _colour(white: tf.Tensor, correlation: float) -> tf.Tensor:
    """L of R(ρ) applied to the rows: wᵢ = ρ wᵢ₋₁ + √(1 − ρ²) zᵢ.

    As (1 + ρ S) (1 + ρ² S²) (1 + ρ⁴ S⁴) …, where S moves every row down by one.
    """
    rows = tf.concat([white[:1], math.sqrt(1 - correlation**2) * white[1:]], axis=0)
    step = 1
    while step < rows.shape[0]:
        rows += correlation**step * tf.pad(rows[:-step], [[step, 0], [0, 0]])
        step *= 2
    return rows


def _precision(size: int, correlation: float) -> np.ndarray:
    inverse = np.eye(size)
    for i in range(1, size):
        inverse[i, i - 1] = -correlation / math.sqrt(1 - correlation**2)
        inverse[i, i] = 1 / math.sqrt(1 - correlation**2)
    return inverse.T @ inverse
