"""The GGN's leading eigenvectors."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.methods.curvature.blocks import ggn_products
from bnn.methods.curvature.full import Spectrum
from bnn.methods.curvature.structure import Structure
from bnn.methods.curvature.weights import Weights
from bnn.noise import Noise, Purpose

RANK = 20
# Directions beside the K, which the last of them converge by (Halko et al. 2011, section 4.2).
OVERSAMPLING = 10
MOST_PASSES = 12
# Of ‖H U − U Λ‖ / ‖Λ‖: below it nothing is gained, float32 products have 1e-6.
TOLERANCE = 1e-4
# Numbers of all directions: 1 GiB in float64.
MOST = 2**27


class Pairs(NamedTuple):
    """Eigenvalues `[K]` and eigenvectors `[K, P]`."""

    values: tf.Tensor
    vectors: tf.Tensor


class LowRank(Structure):
    """H ≈ U Λ Uᵀ with the K largest eigenvalues of H (Maddox et al. 2020; Daxberger et al. 2021).

    By randomised subspace iteration on products H V = Σ_n J_nᵀ R_n R_nᵀ J_n V (Halko, Martinsson &
    Tropp 2011, algorithm 4.4, with m = K + 10 directions): V ← orth(H V), a pass over the data
    each, until the eigenpairs of Vᵀ H V (Rayleigh & Ritz) have a residual ‖H U − U Λ‖ of 1e-4 ‖Λ‖,
    12 passes at most. All other directions have the prior's precision alone, so that variances are
    never below those of "full". With W = D^(−½) U Λ^(½), D = diag(δ), [K, P] is all there is:
    (H + D)⁻¹ = D^(−½) (I + W Wᵀ)⁻¹ D^(−½), and det(H + D) = det(D) det(I + Wᵀ W).

    Memory: m P numbers in float64 and float32 while it is made, K P in float64 then.

    Args:
      weights: chosen.
      rank: K; 20, or the number of weights if that is less, where None.

    Raises:
      ValueError: more eigenvectors than weights, or more than fit 1 GiB.
    """

    name = "low_rank"

    def __init__(self, weights: Weights, rank: int | None = None) -> None:
        super().__init__(weights)
        if rank is not None and rank > weights.size:
            raise ValueError(
                f"rank must be at most the number of random weights, {weights.size}, got {rank}; "
                'that of all is structure="full".'
            )
        self.rank = min(RANK, weights.size) if rank is None else rank
        self._directions = min(self.rank + OVERSAMPLING, weights.size)
        numbers = self._directions * weights.size
        if numbers > MOST:
            raise ValueError(
                f'structure "low_rank" keeps rank + {OVERSAMPLING} vectors of {weights.size} '
                f"weights, {numbers * 8 / 2**30:.1f} GiB, and serves at most {MOST * 8 / 2**30:g} "
                'GiB; take a smaller rank, fewer weights by where, or structure="kfac" or '
                '"diagonal".'
            )
        self._values = self.variable([self.rank], "laplace_eigenvalues")
        self._vectors = self.variable([self.rank, weights.size], "laplace_eigenvectors")
        self._residual = self.variable([], "laplace_residual")
        self._basis: Any = None  # V [m, P], float32, while H is gathered
        self._passes = 0

    @property
    def variables(self) -> list[keras.Variable]:
        """Eigenpairs, their residual, and δ."""
        return [self._values, self._vectors, self._residual, self.precision]

    def width(self, columns: int, model: keras.Model, inputs: Any) -> int:
        """The outputs and their slopes alone: no Jacobian is made."""
        del model, inputs
        return columns * (columns + 2)

    def gradients(self, columns: int) -> int:
        """A forward and a backward one by direction."""
        del columns
        return 2 * self._directions

    def begin(self, seed: Any) -> None:
        """Random directions."""
        noise = Noise(seed, purpose=Purpose.PROBE)
        start = noise.normal((self._directions, self.weights.size))
        self._basis = tf.Variable(_orthonormal(start.numpy()), dtype=tf.float32, trainable=False)
        self._passes = 0

    def gather(self, model: keras.Model, likelihood: Any, inputs: Any, share: tf.Tensor) -> Any:
        """Σ_b share_b J_bᵀ R_b R_bᵀ J_b V, `[m, P]`."""
        basis = tf.convert_to_tensor(self._basis)
        return ggn_products(model, self.weights, likelihood, inputs, share, basis)

    def more(self, total: Any) -> bool:
        """V ← orth(H V), unless the eigenpairs of Vᵀ H V have converged."""
        self._passes += 1
        residual = self._pairs(total)[1]
        if residual <= TOLERANCE or self._passes == MOST_PASSES:
            return False
        self._basis.assign(_orthonormal(total.numpy()))
        return True

    def prepare(self, total: Any, num_train: float) -> Pairs:
        """The eigenpairs; says so where they have not converged."""
        del num_train
        pairs, residual = self._pairs(total)
        self._residual.assign(residual)
        self._basis = None
        if residual > TOLERANCE:
            logging.getLogger("absl").warning(
                "the %d leading eigenvectors of the curvature have a residual of %.1e after %d "
                "passes: the spectrum is flat there, a larger rank has more of it.",
                *(self.rank, residual, self._passes),
            )
        return pairs

    def _pairs(self, total: tf.Tensor) -> tuple[Pairs, float]:
        """The K leading ones of V (Vᵀ H V) Vᵀ, and ‖H U − U Λ‖ / ‖Λ‖."""
        basis = self._basis.numpy().astype(np.float64)
        image = total.numpy()
        inner = basis @ image.T
        values, turn = np.linalg.eigh((inner + inner.T) / 2)
        values, turn = values[::-1][: self.rank], turn[:, ::-1][:, : self.rank]
        vectors = turn.T @ basis
        off = np.linalg.norm(turn.T @ image - values[:, np.newaxis] * vectors)
        size = float(np.linalg.norm(values))
        pairs = Pairs(tf.constant(np.maximum(values, 0.0)), tf.constant(vectors))
        return pairs, float(off / size) if size else 0.0

    def held(self) -> Pairs:
        """The variables."""
        return Pairs(
            tf.convert_to_tensor(self._values.value), tf.convert_to_tensor(self._vectors.value)
        )

    def for_one_precision(self, curvature: Any) -> Spectrum:
        """The eigenvalues, and zeros."""
        return Spectrum(tf.pad(curvature.values, [[0, self.weights.size - self.rank]]))

    def log_det(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """Σ ln δ + ln det(I + factor Λ^(½) Uᵀ D⁻¹ U Λ^(½))."""
        if isinstance(curvature, Spectrum):
            return curvature.log_det(precision, factor)
        rows = curvature.vectors * tf.sqrt(curvature.values)[:, tf.newaxis]
        inner = factor * tf.matmul(rows / precision, rows, transpose_b=True)
        lower = tf.linalg.cholesky(inner + tf.eye(self.rank, dtype=tf.float64))
        inner_part = 2 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(lower)))
        return tf.reduce_sum(tf.math.log(precision)) + inner_part

    def settle(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> None:
        """Factor · Λ, U and δ."""
        self._values.assign(factor * curvature.values)
        self._vectors.assign(curvature.vectors)
        self.precision.assign(precision)

    def spread(self, normal: tf.Tensor) -> tf.Tensor:
        """D^(−½) (I + W Wᵀ)^(−½) ε."""
        root = tf.math.rsqrt(tf.convert_to_tensor(self.precision.value))
        return self._shrunk(normal) * root

    def whiten(self, vectors: tf.Tensor) -> tf.Tensor:
        """(I + W Wᵀ)^(−½) D^(−½) v."""
        root = tf.math.rsqrt(tf.convert_to_tensor(self.precision.value))
        return self._shrunk(vectors * root)

    def describe(self) -> dict[str, Any]:
        """K, the smallest eigenvalue that is kept, and the residual.

        Directions that are left out have smaller eigenvalues: where that is far below δ, nothing is
        missing.
        """
        return {
            "rank": self.rank,
            "smallest_eigenvalue": float(self._values.numpy()[-1]),
            "residual": float(self._residual.numpy()),
        }

    def _shrunk(self, vectors: tf.Tensor) -> tf.Tensor:
        """(I + W Wᵀ)^(−½) v of vectors `[…, P]`.

        With Wᵀ W = T S Tᵀ it is v − W T [√(1+s) (1 + √(1+s))]⁻¹ Tᵀ Wᵀ v.
        """
        values, eigenvectors = self.held()
        root = tf.math.rsqrt(tf.convert_to_tensor(self.precision.value))
        rows = eigenvectors * tf.sqrt(values)[:, tf.newaxis] * root  # Wᵀ
        squares, turn = tf.linalg.eigh(tf.matmul(rows, rows, transpose_b=True))
        rows = tf.matmul(turn, rows, transpose_a=True)
        whole = tf.sqrt(1 + tf.nn.relu(squares))
        inner = tf.einsum("...p,kp->...k", vectors, rows) / (whole * (1 + whole))
        return vectors - tf.einsum("...k,kp->...p", inner, rows)


def _orthonormal(rows: np.ndarray) -> np.ndarray:
    """A basis of what the rows `[m, P]` span, as rows; float32."""
    return np.linalg.qr(rows.astype(np.float64).T)[0].T.astype(np.float32)
