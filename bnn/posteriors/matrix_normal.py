"""The matrix-variate normal family."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.posteriors.joint_normal import JointNormal
from bnn.posteriors.kronecker import Kronecker
from bnn.posteriors.terms import Term
from bnn.posteriors.triangular import add_triangular
from bnn.posteriors.validation import require_scale


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class MatrixNormal(JointNormal):
    """q(W) = MN(W; M, A Aᵀ, B Bᵀ), W = M + A E Bᵀ (Louizos & Welling 2016).

    Cov[w_ij, w_kl] = (A Aᵀ)_ik (B Bᵀ)_jl, with A `[n, n]` over inputs and B `[m, m]` over outputs
    lower triangular, their diagonals exp of variables. The paper's family has diagonal A and B and
    correlates through pseudo-data; here the factors are full. n² + m² + n m + n + m parameters.
    A factor's scale can pass to the other without changing q.

        log q(W) = −½ ‖A⁻¹ (W − M) B⁻ᵀ‖² − m ln det A − n ln det B − n m / 2 ln 2π

    All axes of the tensor but the last are inputs; a vector has n = 1. Local reparameterization and
    Flipout serve matrix products and biases, and refuse convolutions.

    Args:
      initial_scale: standard deviation of every element at the start, positive.
    """

    def __init__(self, initial_scale: float = 0.02) -> None:
        self.initial_scale = require_scale(initial_scale)

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)
        self._num_columns = self.shape[-1] if self.shape else 1
        self._num_rows = self.size // max(self._num_columns, 1)
        self._row_factor = add_triangular(self, layer, f"{name}_rows", self._num_rows, 0.0)
        start = math.log(self.initial_scale)
        self._column_factor = add_triangular(
            self, layer, f"{name}_columns", self._num_columns, start
        )

    def row_factor(self) -> tf.Tensor:
        """A, float32, `[n, n]`."""
        self.shape  # noqa: B018  (raises the clear error before build)
        return self._row_factor.matrix()

    def column_factor(self) -> tf.Tensor:
        """B, float32, `[m, m]`."""
        self.shape  # noqa: B018
        return self._column_factor.matrix()

    @property
    def terms(self) -> tuple[Term, ...]:
        """A E Bᵀ."""
        return (Kronecker(self.row_factor(), self.column_factor(), self.shape),)

    @property
    def variance(self) -> tf.Tensor:
        """(A Aᵀ)_ii (B Bᵀ)_jj."""
        return self.terms[0].variance()

    def covariance(self) -> tf.Tensor:
        """A Aᵀ ⊗ B Bᵀ."""
        factors = [tf.linalg.LinearOperatorFullMatrix(f) for f in self.factors()]
        root = tf.linalg.LinearOperatorKronecker(factors).to_dense()
        return tf.matmul(root, root, transpose_b=True)

    def factors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """A and B."""
        return self.row_factor(), self.column_factor()

    def half_log_det(self) -> tf.Tensor:
        """M ln det A + n ln det B."""
        self.shape  # noqa: B018
        rows, columns = self._row_factor.log_det(), self._column_factor.log_det()
        return self._num_columns * rows + self._num_rows * columns

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """By two triangular solves."""
        deviation = tf.reshape(weights - self.mean, [self._num_rows, self._num_columns])
        rows, columns = self.factors()
        white = tf.linalg.triangular_solve(rows, deviation)
        white = tf.linalg.triangular_solve(columns, tf.transpose(white))
        return self.normal_log_prob(tf.reduce_sum(tf.square(white)), self.half_log_det())

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"initial_scale": self.initial_scale}
