"""What a structure of the curvature is: a precision matrix H + diag(δ) that can be used."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf

from bnn.methods.curvature.weights import Weights


class Structure(abc.ABC):
    """H, the likelihood's GGN in P weights or an approximation of it, and what follows from it.

    `gather` adds the share of some examples, `settle` fixes H and δ as variables; everything after
    it is a function of these, so that a checkpoint holds all of it.

    Args:
      weights: chosen.

    Attributes:
      name: what results call it.
      precision: δ, a variable `[P]`.
    """

    name: str

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.precision = self.variable([weights.size], "laplace_prior_precision", "ones")

    def variable(self, shape: Any, name: str, initializer: Any = "zeros") -> keras.Variable:
        """A variable of the structure, float64, not trained."""
        return keras.Variable(
            keras.initializers.get(initializer)(tuple(shape), dtype="float64"),
            dtype="float64",
            trainable=False,
            autocast=False,
            name=name,
        )

    @property
    @abc.abstractmethod
    def variables(self) -> list[keras.Variable]:
        """Those that `settle` assigns."""

    @abc.abstractmethod
    def width(self, columns: int, model: keras.Model, inputs: Any) -> int:
        """Numbers that `gather` needs in memory for one example, whose R has so many columns.

        Args:
          columns: K.
          model: at the mode.
          inputs: one example, `[1, …]`.
        """

    def gradients(self, columns: int) -> int:
        """Passes through the model that `gather` takes for one example."""
        return columns

    def begin(self, seed: Any) -> None:  # noqa: B027
        """Before the first example of a fit; noise of the seed, where there is any."""

    def more(self, total: Any) -> bool:
        """Whether all examples are to be gathered again, after their sum."""
        del total
        return False

    def describe(self) -> dict[str, Any]:
        """What results say of it beside its name."""
        return {}

    @abc.abstractmethod
    def gather(self, model: keras.Model, likelihood: Any, inputs: Any, share: tf.Tensor) -> Any:
        """The share of a block of examples in H: a nest of float64 tensors that are summed.

        Args:
          model: at the mode.
          likelihood: gives R.
          inputs: `[b, …]`.
          share: factor of every example, `[b]`.
        """

    @abc.abstractmethod
    def prepare(self, total: Any, num_train: float) -> Any:
        """H in the form that `log_det` and `settle` take, from the sum of the shares."""

    @abc.abstractmethod
    def held(self) -> Any:
        """H in the same form, from the variables."""

    def for_one_precision(self, curvature: Any) -> Any:
        """H in a form in which `log_det` is fast where all weights share one δ."""
        return curvature

    @abc.abstractmethod
    def log_det(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
        """Ln det(factor · H + diag(δ)), scalar, differentiable in δ `[P]` and factor."""

    @abc.abstractmethod
    def settle(self, curvature: Any, precision: tf.Tensor, factor: tf.Tensor) -> None:
        """Makes factor · H and δ the structure's own."""

    @abc.abstractmethod
    def spread(self, normal: tf.Tensor) -> tf.Tensor:
        """S ε for standard normal ε `[…, P]`, with S Sᵀ = (H + diag δ)⁻¹."""

    @abc.abstractmethod
    def whiten(self, vectors: tf.Tensor) -> tf.Tensor:
        """Sᵀ v of vectors `[…, P]`, float64."""

    def covariance(self, jacobians: tf.Tensor) -> tf.Tensor:
        """J (H + diag δ)⁻¹ Jᵀ by example, `[B, C, C]`, for J `[B, C, P]`."""
        rows = self.whiten(tf.cast(jacobians, tf.float64))
        return tf.matmul(rows, rows, transpose_b=True)

    def apply(self, vectors: tf.Tensor) -> tf.Tensor:
        """(H + diag δ)⁻¹ v of vectors `[…, P]`."""
        return self.spread(self.whiten(tf.cast(vectors, tf.float64)))
