"""The whole GGN."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.methods.curvature.blocks import sum_of_rows
from bnn.methods.curvature.structure import Structure
from bnn.methods.curvature.weights import Weights

# 4,096² numbers are 134 MB in float64, in memory and in every checkpoint.
MOST = 4096


class Spectrum(NamedTuple):
    """Eigenvalues of H, `[P]`, where all weights share one δ."""

    values: tf.Tensor

    def log_det(self, precision: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """Σ ln(factor λᵢ + δ)."""
        return tf.reduce_sum(tf.math.log(factor * self.values + precision))


class Full(Structure):
    """H = Σ_n J_nᵀ Λ_n J_n, `[P, P]` (Schraudolph 2002; Immer et al. 2021, equation 8).

    Kept as L with L Lᵀ = H + diag(δ).

    Raises:
      ValueError: more than 4,096 weights.
    """

    name = "full"

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        if weights.size > MOST:
            raise ValueError(
                f'structure "full" serves at most {MOST} weights, got {weights.size}: its matrix '
                f"has their square, {weights.size**2 * 8 / 2**30:.2g} GiB; use "
                'structure="kfac", "low_rank" or "diagonal", or where="last".'
            )
        self._factor = self.variable([weights.size] * 2, "laplace_factor", "identity")

    @property
    def variables(self) -> list[keras.Variable]:
        """L and δ."""
        return [self._factor, self.precision]

    def width(self, columns: int, model: keras.Model, inputs: Any) -> int:
        """K P."""
        del model, inputs
        return columns * self.weights.size

    def gather(self, model: keras.Model, likelihood: Any, inputs: Any, share: tf.Tensor) -> Any:
        """Σ_b share_b (Rᵀ J)ᵀ (Rᵀ J)."""

        def products(rows: tf.Tensor) -> tf.Tensor:
            rows = tf.cast(rows, tf.float64) * tf.sqrt(share)[:, tf.newaxis, tf.newaxis]
            rows = tf.reshape(rows, [-1, self.weights.size])
            return tf.matmul(rows, rows, transpose_a=True)

        return sum_of_rows(model, self.weights, likelihood, inputs, products)

    def prepare(self, total: Any, num_train: float) -> tf.Tensor:
        """H itself."""
        del num_train
        return total

    def held(self) -> tf.Tensor:
        """L Lᵀ − diag(δ)."""
        factor = tf.convert_to_tensor(self._factor.value)
        whole = tf.matmul(factor, factor, transpose_b=True)
        return whole - tf.linalg.diag(tf.convert_to_tensor(self.precision.value))

    def for_one_precision(self, curvature: Any) -> Spectrum:
        """The eigenvalues: no factorisation for every δ."""
        values = np.maximum(np.linalg.eigvalsh(curvature.numpy()), 0.0)
        return Spectrum(tf.constant(values))

    def log_det(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """2 Σ ln Lᵢᵢ, or Σ ln(factor λᵢ + δ)."""
        if isinstance(curvature, Spectrum):
            return curvature.log_det(precision, factor)
        lower = tf.linalg.cholesky(factor * curvature + tf.linalg.diag(precision))
        return 2 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(lower)))

    def settle(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> None:
        """L and δ."""
        self._factor.assign(tf.linalg.cholesky(factor * curvature + tf.linalg.diag(precision)))
        self.precision.assign(precision)

    def spread(self, normal: tf.Tensor) -> tf.Tensor:
        """L⁻ᵀ ε."""
        factor = tf.convert_to_tensor(self._factor.value)
        solved = tf.linalg.triangular_solve(factor, tf.transpose(normal), adjoint=True)
        return tf.transpose(solved)

    def whiten(self, vectors: tf.Tensor) -> tf.Tensor:
        """L⁻¹ v."""
        shape = tf.shape(vectors)
        flat = tf.reshape(vectors, [-1, self.weights.size])
        factor = tf.convert_to_tensor(self._factor.value)
        rows = tf.transpose(tf.linalg.triangular_solve(factor, tf.transpose(flat)))
        return tf.reshape(rows, shape)
