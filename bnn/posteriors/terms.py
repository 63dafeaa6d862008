"""Terms: what a posterior adds to its mean, and how each term passes an operator.

A family w = mean + Σ terms serves every estimator without a branch: weights are sampled as the sum
of the terms' samples, and outputs as op(x, mean) plus each term's own local or flipped form.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence

import tensorflow as tf

from bnn.noise import Noise
from bnn.operators import Operator
from bnn.operators.operator import batch_size

# Below this a variance counts as zero: its root is 1e-18, far under float32 resolution of outputs.
_TINY = 1e-36
_INPUT_SIGNS, _OUTPUT_SIGNS = 1, 2


class Term(abc.ABC):
    """A random tensor of mean zero, independent of the posterior's other terms.

    Attributes:
      normal: whether sums of its elements are normal.
      has_flipped_form: whether random signs leave its law as it is.
    """

    normal = False
    has_flipped_form = True

    @property
    def has_local_form(self) -> bool:
        """Whether outputs can be sampled: a normal term by its moments, others if they say so."""
        return self.normal

    @abc.abstractmethod
    def sample(self, noise: Noise) -> tf.Tensor:
        """One realisation by reparameterization, float32, of the tensor's shape."""

    @abc.abstractmethod
    def variance(self) -> tf.Tensor:
        """The variance of every element, float32, of the tensor's shape."""

    @abc.abstractmethod
    def local(self, operator: Operator, inputs: tf.Tensor, noise: Noise) -> tf.Tensor:
        """op(x, term) with noise of its own for every example: of the outputs' law, `[B, …]`."""

    def local_with_mean(
        self, operator: Operator, inputs: tf.Tensor, mean: tf.Tensor, noise: Noise
    ) -> tf.Tensor:
        """op(x, mean + term) with noise of its own for every example, `[B, …]`.

        Args:
          operator: that the tensor enters.
          inputs: `[B, …]`.
          mean: E[w] of the posterior.
          noise: of this term in this draw.
        """
        return operator(inputs, mean) + self.local(operator, inputs, noise)

    @abc.abstractmethod
    def flipped(
        self, operator: Operator, like: tf.Tensor, shape: Sequence[int], noise: Noise
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """One realisation with random signs per example, as a function of inputs `[B, …]`.

        Args:
          operator: that the tensor enters.
          like: gives B.
          shape: of the tensor.
          noise: of this term in this draw.
        """


class Elementwise(Term):
    """Independent elements, symmetric about 0.

    Local form: √op(x², Var) ε, exact for each output on its own (Kingma, Salimans & Welling 2015).
    Flipped form: s ∘ op(r ∘ x, Δ) with signs r and s per example and channel (Wen et al. 2018).

    Args:
      perturbation: Δ as a function of the noise.
      variance: of every element, called when it is needed.
      normal: whether the elements are normal.
    """

    def __init__(
        self,
        perturbation: Callable[[Noise], tf.Tensor],
        variance: Callable[[], tf.Tensor],
        normal: bool = True,
    ) -> None:
        self._perturbation, self._variance, self.normal = perturbation, variance, normal

    def sample(self, noise: Noise) -> tf.Tensor:
        """Δ."""
        return self._perturbation(noise)

    def variance(self) -> tf.Tensor:
        """Var Δ."""
        return self._variance()

    def local(self, operator: Operator, inputs: tf.Tensor, noise: Noise) -> tf.Tensor:
        """√op(x², Var) ε, ε ~ N(0, 1) per output."""
        stddev = safe_sqrt(operator.variance(inputs, self._variance()))
        stddev = tf.cast(stddev, operator.output_dtype(inputs))
        shape = [n if n is not None else tf.shape(stddev)[i] for i, n in enumerate(stddev.shape)]
        epsilon = noise.normal(shape, per_example=True)
        return stddev * tf.cast(epsilon, stddev.dtype)

    def flipped(
        self, operator: Operator, like: tf.Tensor, shape: Sequence[int], noise: Noise
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """S ∘ op(r ∘ x, Δ); inputs without signs, such as ids, keep theirs."""
        delta, size = self._perturbation(noise), batch_size(like)
        num_in = operator.input_channels(shape)
        signs_in = noise.signs([size, num_in], _INPUT_SIGNS, per_example=True) if num_in else None
        num_out = operator.output_channels(shape)
        signs_out = noise.signs([size, num_out], _OUTPUT_SIGNS, per_example=True)

        def apply(inputs: tf.Tensor) -> tf.Tensor:
            if signs_in is not None:
                inputs = inputs * operator.per_channel(signs_in, inputs)
            outputs = operator(inputs, delta)
            return outputs * operator.per_channel(signs_out, outputs)

        return apply


class LowRank(Term):
    """Σ_k z_k U_k, z ~ N(0, 1): a covariance of rank K.

    Both forms are exact for all outputs of an example together, since an example's z serves them
    all: local y = Σ_k z_k op(x, U_k) with z per example; flipped, the same z for all examples with
    a sign per example.

    Args:
      factors: U, `[K, *shape]`.
    """

    normal = True

    def __init__(self, factors: tf.Tensor) -> None:
        self._factors = factors

    def sample(self, noise: Noise) -> tf.Tensor:
        """Σ_k z_k U_k, as one pass that fuses with what consumes it, its gradient too."""
        z = tf.reshape(
            noise.normal([self._factors.shape[0]]), [-1] + [1] * (self._factors.shape.rank - 1)
        )
        return tf.reduce_sum(z * self._factors, axis=0)

    def variance(self) -> tf.Tensor:
        """Σ_k U_k²."""
        return tf.reduce_sum(tf.square(self._factors), axis=0)

    def local(self, operator: Operator, inputs: tf.Tensor, noise: Noise) -> tf.Tensor:
        """Σ_k z_k op(x, U_k), z `[B, K]`."""
        shape = [batch_size(inputs), self._factors.shape[0]]
        return self._weighted(operator, inputs, noise.normal(shape, per_example=True))

    def flipped(
        self, operator: Operator, like: tf.Tensor, shape: Sequence[int], noise: Noise
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """S op(x, Σ_k z_k U_k), z `[K]`, a sign s per example: one map, whatever K is."""
        del shape
        delta = self.sample(noise)
        signs = noise.signs([batch_size(like), 1], _OUTPUT_SIGNS, per_example=True)

        def apply(inputs: tf.Tensor) -> tf.Tensor:
            outputs = operator(inputs, delta)
            per_example = tf.reshape(signs, [-1] + [1] * (outputs.shape.rank - 1))
            return tf.cast(per_example, outputs.dtype) * outputs

        return apply

    def _weighted(self, operator: Operator, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Σ_k weights[:, k] op(x, U_k)."""
        total = 0.0
        for k, factor in enumerate(tf.unstack(self._factors)):
            outputs = operator(inputs, factor)
            per_example = tf.reshape(weights[:, k], [-1] + [1] * (outputs.shape.rank - 1))
            total += tf.cast(per_example, outputs.dtype) * outputs
        return total


def safe_sqrt(variance: tf.Tensor) -> tf.Tensor:
    """√v with gradient 0 where v = 0, at which the root's own gradient is infinite.

    v is zero for an input row of zeros: then the output does not depend on σ, and 0 is the gradient
    of √(x² σ²) = |x| σ with respect to σ.
    """
    positive = variance > _TINY
    return tf.where(positive, tf.sqrt(tf.where(positive, variance, 1.0)), 0.0)
