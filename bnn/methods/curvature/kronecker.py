"""The GGN's blocks by weight tensor, each a Kronecker product."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bnn.methods.curvature.structure import Structure
from bnn.methods.curvature.taps import check_served, positions, sides
from bnn.methods.curvature.weights import Tensor, Weights

# Numbers of all factors, 2 GiB in float64; an eigenvector matrix of 16,384 rows has them.
MOST = 2**28


class Eigen(NamedTuple):
    """A ⊗ G / N by eigenvectors and eigenvalues: `[in, in]`, `[in]`, `[out, out]`, `[out]`."""

    left: tf.Tensor
    left_values: tf.Tensor
    right: tf.Tensor
    right_values: tf.Tensor

    def values(self) -> tf.Tensor:
        """The product's eigenvalues, `[in, out]`."""
        return self.left_values[:, tf.newaxis] * self.right_values


class Kronecker(Structure):
    """H ≈ A ⊗ G / N for a kernel, H = G for a bias; blocks of their own.

    A = Σ_n a_n a_nᵀ of a dense layer's inputs and G = Σ_n Σ_k g_nk g_nkᵀ of the gradients of the
    columns of R_nᵀ f_n in its outputs before the activation (Martens & Grosse 2015; Ritter et al.
    2018). Exact for the bias, and for a kernel where a and g are independent over the examples.
    A kernel that T positions share, of a convolution or a dense layer with inputs `[B, T, in]`, has
    A = Σ_n Σ_t a_nt a_ntᵀ of the windows and G = Σ_n Σ_k Σ_t g_nkt g_nktᵀ / T: gradients at two
    positions are taken as uncorrelated, and those at all positions as alike (Grosse & Martens 2016,
    theorem 1; "expand" of Eschenhagen et al. 2023). With one precision δ for a tensor, everything
    follows from the eigenvalues: A ⊗ G / N + δ = (U ⊗ V) (α ⊗ γ / N + δ) (U ⊗ V)ᵀ.

    Raises:
      ValueError: a weight that is none of a dense layer or an ungrouped convolution in bnn.layers,
        or factors beyond 2 GiB.
    """

    name = "kfac"

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self._held: list[Eigen] = []
        for tensor in weights.tensors:
            check_served(tensor)
        _check_memory(weights.tensors)
        for tensor in weights.tensors:
            inner, outer = _sides(tensor)
            self._held.append(
                Eigen(
                    self.variable([inner, inner], "laplace_left", "identity"),
                    self.variable([inner], "laplace_left_values"),
                    self.variable([outer, outer], "laplace_right", "identity"),
                    self.variable([outer], "laplace_right_values"),
                )
            )

    @property
    def variables(self) -> list[keras.Variable]:
        """Eigenvectors and eigenvalues of every tensor, and δ."""
        return [*(part for eigen in self._held for part in eigen), self.precision]

    def width(self, columns: int, model: keras.Model, inputs: Any) -> int:
        """Inputs, and K gradients of the outputs, at every position of every layer."""
        tensors = self.weights.tensors
        places = positions(model, tensors, inputs)
        return sum(
            number * (_sides(tensor)[0] + columns * _sides(tensor)[1])
            for tensor, number in zip(tensors, places, strict=True)
        )

    def gather(self, model: keras.Model, likelihood: Any, inputs: Any, share: tf.Tensor) -> Any:
        """Σ share Σ_t a aᵀ and Σ share Σ_t Σ_k g gᵀ / T of every tensor."""
        found = []
        for seen in sides(model, self.weights.tensors, likelihood, inputs):
            number = float(seen.inputs.shape[1])
            right = _gram(seen.gradients, share) / number
            found.append((_gram(seen.inputs, share), right))
        return found

    def prepare(self, total: Any, num_train: float) -> list[Eigen]:
        """Eigenvalues and eigenvectors."""
        found = []
        for left, right in total:
            left_values, left_vectors = tf.linalg.eigh(left / num_train)
            right_values, right_vectors = tf.linalg.eigh(right)
            found.append(  # rounding leaves eigenvalues of −1e-12
                Eigen(
                    left_vectors, tf.nn.relu(left_values), right_vectors, tf.nn.relu(right_values)
                )
            )
        return found

    def held(self) -> list[Eigen]:
        """The variables."""
        return [Eigen(*(tf.convert_to_tensor(v.value) for v in eigen)) for eigen in self._held]

    def log_det(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """Σ ln(factor α γ / N + δ)."""
        terms = [
            tf.reduce_sum(tf.math.log(factor * eigen.values() + delta))
            for eigen, delta in zip(curvature, self._by_tensor(precision), strict=True)
        ]
        return tf.add_n(terms)

    def settle(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> None:
        """Everything; the factor goes to the outputs' side."""
        for held, eigen in zip(self._held, curvature, strict=True):
            scaled = eigen._replace(right_values=factor * eigen.right_values)
            for variable, value in zip(held, scaled, strict=True):
                variable.assign(value)
        self.precision.assign(precision)

    def spread(self, normal: tf.Tensor) -> tf.Tensor:
        """U (ε / √(α γ / N + δ)) Vᵀ of every tensor."""
        parts = tf.split(normal, [t.size for t in self.weights.tensors], axis=-1)
        found = []
        for part, eigen, values in zip(parts, self.held(), self._eigenvalues(), strict=True):
            white = tf.reshape(part, [-1, *values.shape]) * tf.math.rsqrt(values)
            spread = tf.einsum("ia,sab,jb->sij", eigen.left, white, eigen.right)
            found.append(tf.reshape(spread, tf.shape(part)))
        return tf.concat(found, axis=-1)

    def whiten(self, vectors: tf.Tensor) -> tf.Tensor:
        """Uᵀ v V / √(α γ / N + δ) of every tensor."""
        parts = tf.split(vectors, [t.size for t in self.weights.tensors], axis=-1)
        found = []
        for part, eigen, values in zip(parts, self.held(), self._eigenvalues(), strict=True):
            rows = tf.reshape(part, [-1, *values.shape])
            rows = tf.einsum("ia,sij,jb->sab", eigen.left, rows, eigen.right)
            found.append(tf.reshape(rows * tf.math.rsqrt(values), tf.shape(part)))
        return tf.concat(found, axis=-1)

    def _eigenvalues(self) -> list[tf.Tensor]:
        deltas = self._by_tensor(tf.convert_to_tensor(self.precision.value))
        return [eigen.values() + d for eigen, d in zip(self.held(), deltas, strict=True)]

    def _by_tensor(self, precision: tf.Tensor) -> list[tf.Tensor]:
        """The one precision of every tensor."""
        parts = tf.split(precision, [t.size for t in self.weights.tensors])
        return [part[0] for part in parts]


def _gram(rows: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Σ share_b r_b r_bᵀ of rows `[…, B, T, D]`, float64."""
    rows = tf.cast(rows, tf.float64) * tf.sqrt(share)[:, tf.newaxis, tf.newaxis]
    rows = tf.reshape(rows, [-1, rows.shape[-1]])
    return tf.matmul(rows, rows, transpose_a=True)


def _sides(tensor: Tensor) -> tuple[int, int]:
    """Rows and columns of the tensor as a matrix: a bias is one row, a window's rows are flat."""
    *rows, columns = tensor.variable.shape
    return math.prod(rows), columns


def _check_memory(tensors: list[Tensor]) -> None:
    numbers = sum(side**2 for tensor in tensors for side in _sides(tensor))
    if numbers <= MOST:
        return
    largest = max(tensors, key=lambda tensor: max(_sides(tensor)))
    raise ValueError(
        f'structure "kfac" serves factors of at most {MOST * 8 / 2**30:g} GiB, but those here have '
        f"{numbers * 8 / 2**30:.1f}, the largest of {largest.name} with sides {_sides(largest)}; "
        'leave it out by where, or use structure="low_rank" or "diagonal".'
    )
