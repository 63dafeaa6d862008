"""The GGN's blocks by weight tensor, each a Kronecker product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bnn.draw import Draw
from bnn.estimators import Mean
from bnn.methods.curvature.blocks import outputs_of
from bnn.methods.curvature.outputs import output_factor
from bnn.methods.curvature.structure import Structure
from bnn.methods.curvature.weights import Tensor, Weights
from bnn.operators import Bias, Dense
from bnn.sites import Site


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
    """H ≈ A ⊗ G / N for the kernel of a dense layer, H = G for its bias; blocks of their own.

    A = Σ_n a_n a_nᵀ of the layer's inputs and G = Σ_n Σ_k g_nk g_nkᵀ of the gradients of the
    columns of R_nᵀ f_n in its outputs before the activation (Martens & Grosse 2015; Ritter et al.
    2018). Exact for the bias, and for a kernel where a and g are independent over the examples.
    With one precision δ for a tensor, everything follows from the eigenvalues:
    A ⊗ G / N + δ = (U ⊗ V) (α ⊗ γ / N + δ) (U ⊗ V)ᵀ.

    Raises:
      ValueError: a weight that is none of a dense layer in bnn.layers with inputs `[B, in]`.
    """

    name = "kfac"

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self._held: list[Eigen] = []
        for tensor in weights.tensors:
            _check(tensor)
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

    def width(self, columns: int) -> int:
        """Inputs, and K gradients of the outputs, of every layer."""
        sides = [_sides(tensor) for tensor in self.weights.tensors]
        return sum(inner + columns * outer for inner, outer in sides)

    def gather(self, model: keras.Model, likelihood: Any, inputs: Any, share: tf.Tensor) -> Any:
        """Σ share a aᵀ and Σ share Σ_k g gᵀ of every tensor."""
        with tf.GradientTape() as tape:
            tap = _Tap(tape, self.weights.tensors)
            with tap:
                outputs = outputs_of(model, inputs)
            factor = tf.stop_gradient(output_factor(likelihood, outputs))
            rows = tf.einsum("bck,bc->k", factor, outputs)
        names = [t.name for t in self.weights.tensors]
        missing = [name for name in names if name not in tap.seen]
        if missing:
            raise _unfit(f"{', '.join(missing)} are not, as in a recurrent layer")
        added = [tap.seen[name].added for name in names]
        gradients = tape.jacobian(rows, added, unconnected_gradients="zero")
        return [
            (_gram(tap.seen[name].inputs, share), _gram(gradient, share))
            for name, gradient in zip(names, gradients, strict=True)
        ]

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

    def covariance(self, jacobians: tf.Tensor) -> tf.Tensor:
        """Σ over tensors of (Uᵀ J V)² / (α γ / N + δ)."""
        parts = tf.split(
            tf.cast(jacobians, tf.float64), [t.size for t in self.weights.tensors], axis=-1
        )
        total = []
        for part, eigen, values in zip(parts, self.held(), self._eigenvalues(), strict=True):
            outputs = part.shape[1]
            rows = tf.reshape(part, [-1, outputs, *values.shape])
            rows = tf.einsum("ia,bcij,jd->bcad", eigen.left, rows, eigen.right)
            rows = tf.reshape(rows * tf.math.rsqrt(values), tf.shape(part))
            total.append(tf.matmul(rows, rows, transpose_b=True))
        return tf.add_n(total)

    def _eigenvalues(self) -> list[tf.Tensor]:
        deltas = self._by_tensor(tf.convert_to_tensor(self.precision.value))
        return [eigen.values() + d for eigen, d in zip(self.held(), deltas, strict=True)]

    def _by_tensor(self, precision: tf.Tensor) -> list[tf.Tensor]:
        """The one precision of every tensor."""
        parts = tf.split(precision, [t.size for t in self.weights.tensors])
        return [part[0] for part in parts]


class _Seen(NamedTuple):
    """A site's inputs `[B, in]` and the zeros that were added to its outputs, `[B, out]`."""

    inputs: tf.Tensor
    added: tf.Tensor


class _Tap(Draw):
    """The mean, with watched zeros added to some outputs: their gradient is that of the outputs."""

    def __init__(self, tape: tf.GradientTape, tensors: Sequence[Tensor]) -> None:
        super().__init__(0, Mean())
        self._tape = tape
        self._names = {t.site: t.name for t in tensors}
        self.seen: dict[str, _Seen] = {}

    def apply(self, site: Site, inputs: tf.Tensor) -> tf.Tensor:
        """Op(x, μ) + 0."""
        outputs = super().apply(site, inputs)
        name = self._names.get(site)
        if name is None:
            return outputs
        if name in self.seen or inputs.shape.rank != 2:
            why = "is called twice" if name in self.seen else f"has inputs {inputs.shape}"
            raise _unfit(f"{name} {why}")
        added = tf.zeros_like(outputs)
        self._tape.watch(added)
        one = tf.ones_like(inputs[:, :1])
        self.seen[name] = _Seen(one if isinstance(site.operator, Bias) else inputs, added)
        return outputs + added


def _unfit(what: str) -> ValueError:
    return ValueError(
        f'structure "kfac" needs every site called once with inputs [B, in], but {what}; leave it '
        'out by where, or use structure="diagonal" or "full".'
    )


def _gram(rows: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Σ share_b r_b r_bᵀ of rows `[…, B, D]`, float64."""
    rows = tf.cast(rows, tf.float64) * tf.sqrt(share)[:, tf.newaxis]
    rows = tf.reshape(rows, [-1, rows.shape[-1]])
    return tf.matmul(rows, rows, transpose_a=True)


def _sides(tensor: Tensor) -> tuple[int, int]:
    """Rows and columns of the tensor as a matrix: a bias is one row."""
    shape = tuple(tensor.variable.shape)
    return (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])


def _check(tensor: Tensor) -> None:
    operator = None if tensor.site is None else tensor.site.operator
    if type(operator) in (Dense, Bias):
        return
    what = (
        "a plain Keras layer (bnn.convert(model, posterior=bnn.posteriors.Point()) makes it ours)"
        if operator is None
        else f"a map of the kind {type(operator).__name__}"
    )
    raise ValueError(
        f'structure "kfac" serves kernels and biases of dense layers in bnn.layers, but '
        f'{tensor.name} is of {what}; leave it out by where, or use structure="diagonal" or '
        '"full".'
    )
