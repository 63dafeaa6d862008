"""The term A E Bᵀ, whose covariance is a Kronecker product."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from bnn.noise import Noise
from bnn.operators import Bias, Dense, Operator
from bnn.operators.operator import batch_size
from bnn.posteriors.terms import Term, safe_sqrt

_INPUT_SIGNS, _OUTPUT_SIGNS = 1, 2


class Kronecker(Term):
    """A E Bᵀ, E `[rows, columns]` of independent N(0, 1): Cov[w_ij, w_kl] = (AAᵀ)_ik (BBᵀ)_jl.

    For a matrix product x w both forms are exact for all outputs of one input vector together
    (Louizos & Welling 2016, section 2.2): local y = ‖xA‖ B ε, with ε per example; flipped
    y = B (s ∘ Eᵀ (r ∘ Aᵀx)), with signs r and s in the whitened coordinates, where the elements are
    independent. Convolutions have no such form in their channels: `local` and `flipped` refuse
    them.

    Args:
      rows: A, `[rows, rows]`.
      columns: B, `[columns, columns]`.
      shape: of the weight tensor; all axes but the last make the rows.
    """

    normal = True

    def __init__(self, rows: tf.Tensor, columns: tf.Tensor, shape: Sequence[int]) -> None:
        self._rows, self._columns, self._shape = rows, columns, tuple(shape)

    def sample(self, noise: Noise) -> tf.Tensor:
        """A E Bᵀ."""
        core = noise.normal([self._rows.shape[0], self._columns.shape[0]])
        product = tf.matmul(tf.matmul(self._rows, core), self._columns, transpose_b=True)
        return tf.reshape(product, self._shape)

    def variance(self) -> tf.Tensor:
        """Row norms of A and B, squared and multiplied."""
        rows, columns = (tf.reduce_sum(tf.square(m), axis=1) for m in (self._rows, self._columns))
        return tf.reshape(tf.tensordot(rows, columns, 0), self._shape)

    def local(self, operator: Operator, inputs: tf.Tensor, noise: Noise) -> tf.Tensor:
        """‖xA‖ B ε."""
        columns = self._columns
        if isinstance(operator, Bias):
            epsilon = noise.normal([batch_size(inputs), columns.shape[0]], per_example=True)
            bias = tf.matmul(self._rows[0, 0] * epsilon, columns, transpose_b=True)
            return operator.per_channel(bias, inputs)
        self._require_dense(operator, "LocalReparameterization")
        white = operator(inputs, self._rows)
        squares = tf.reduce_sum(tf.square(tf.cast(white, tf.float32)), axis=-1, keepdims=True)
        shape = [n if n is not None else tf.shape(inputs)[i] for i, n in enumerate(inputs.shape)]
        epsilon = noise.normal([*shape[:-1], columns.shape[0]], per_example=True)
        outputs = safe_sqrt(squares) * tf.einsum("...i,ji->...j", epsilon, columns)
        return tf.cast(outputs, inputs.dtype)

    def flipped(
        self, operator: Operator, like: tf.Tensor, shape: Sequence[int], noise: Noise
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """B (s ∘ Eᵀ (r ∘ Aᵀx))."""
        num_rows, num_columns = self._rows.shape[0], self._columns.shape[0]
        core, size = noise.normal([num_rows, num_columns]), batch_size(like)
        signs_out = noise.signs([size, num_columns], _OUTPUT_SIGNS, per_example=True)
        if isinstance(operator, Bias):
            white = self._rows[0, 0] * core[0] * signs_out
            bias = tf.matmul(white, self._columns, transpose_b=True)
            return lambda inputs: operator.per_channel(bias, inputs)
        self._require_dense(operator, "Flipout")
        signs_in = noise.signs([size, num_rows], _INPUT_SIGNS, per_example=True)

        def apply(inputs: tf.Tensor) -> tf.Tensor:
            white = operator(inputs, self._rows)
            white = operator(white * operator.per_channel(signs_in, white), core)
            white = white * operator.per_channel(signs_out, white)
            return operator(white, tf.transpose(self._columns))

        return apply

    def _require_dense(self, operator: Operator, estimator: str) -> None:
        if not isinstance(operator, Dense):
            raise ValueError(
                f"{estimator} serves a Kronecker covariance in matrix products and biases only, "
                f"got the operator {type(operator).__name__}; use Reparameterization at this site, "
                "alone or by BySite."
            )
