"""The term of weights times random factors per channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from bnn.noise import Noise
from bnn.operators import Operator
from bnn.operators.operator import batch_size
from bnn.posteriors.terms import Elementwise, Term


class Factors(NamedTuple):
    """Random factors of one weight tensor, or of one for every example.

    Attributes:
      rows: r of the input channels, `[n]` or `[B, n]`; None where they have none.
      columns: s of the output channels, `[m]` or `[B, m]`; None where they have none.
    """

    rows: tf.Tensor | None
    columns: tf.Tensor | None


class Multiplicative(Term):
    """W ∘ (r sᵀ) − E[W ∘ (r sᵀ)], r one number per input channel and s per output channel.

    The channels are the tensor's last two axes, in this order. Local form: every example has r and
    s of its own, y = s ∘ op(r ∘ x, W) − op(x, E[w]), exact for all outputs of an example together,
    positions included: dropout as it is commonly computed. There is no flipped form, for the
    perturbation is not symmetric.

    Args:
      weights: W.
      mean: E[w], of the tensor's shape.
      variance: Var[w], called when it is needed.
      factors: draws r and s: of the noise, for one tensor, or for `[B]` examples where B is given.
      spread: Var[W] where W is N(W, Var[W]) by element and independent of r and s; None where W is
        fixed. The local form then adds s ∘ √op((r ∘ x)², Var[W]) ε: exact across an example's
        channels, and across its positions as far as r and s go.
    """

    has_flipped_form = False

    def __init__(
        self,
        weights: tf.Tensor,
        mean: tf.Tensor,
        variance: Callable[[], tf.Tensor],
        factors: Callable[[Noise, int | tf.Tensor | None], Factors],
        spread: tf.Tensor | None = None,
    ) -> None:
        self._weights, self._mean, self._variance = weights, mean, variance
        self._factors, self._spread = factors, spread

    @property
    def has_local_form(self) -> bool:
        """Factors of an example's own."""
        return True

    def sample(self, noise: Noise) -> tf.Tensor:
        """W ∘ (r sᵀ) − E[w]."""
        return self.weights(noise) - self._mean

    def weights(self, noise: Noise) -> tf.Tensor:
        """W ∘ (r sᵀ)."""
        weights = self._weights
        if self._spread is not None:
            weights += tf.sqrt(self._spread) * noise.normal(weights.shape)
        return multiply(weights, self._factors(noise, None))

    def variance(self) -> tf.Tensor:
        """Var[w]."""
        return self._variance()

    def local(self, operator: Operator, inputs: tf.Tensor, noise: Noise) -> tf.Tensor:
        """S ∘ op(r ∘ x, W) − op(x, E[w])."""
        mean = self._mean
        return self.local_with_mean(operator, inputs, mean, noise) - operator(inputs, mean)

    def local_with_mean(
        self, operator: Operator, inputs: tf.Tensor, mean: tf.Tensor, noise: Noise
    ) -> tf.Tensor:
        """S ∘ op(r ∘ x, W): the mean is in it."""
        rows, columns = self._factors(noise, batch_size(inputs))
        scaled = inputs
        if rows is not None:
            scaled = inputs * operator.per_channel(self._by_channel(operator, rows), inputs)
        outputs = operator(scaled, self._weights)
        if self._spread is not None:
            slab = Elementwise(lambda _: self._weights, lambda: self._spread)
            outputs += slab.local(operator, scaled, noise)
        if columns is not None:
            outputs = outputs * operator.per_channel(columns, outputs)
        return outputs

    def _by_channel(self, operator: Operator, rows: tf.Tensor) -> tf.Tensor:
        """R of every input channel, `[B, channels]`: the groups of a convolution share r."""
        channels = operator.input_channels(self._weights.shape)
        if channels is None:
            raise ValueError(
                f"factors of input channels need inputs that can be scaled, which those of the "
                f"operator {type(operator).__name__} cannot; use Reparameterization at this site."
            )
        return tf.tile(rows, [1, channels // rows.shape[1]])

    def flipped(
        self, operator: Operator, like: tf.Tensor, shape: Sequence[int], noise: Noise
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """None."""
        raise NotImplementedError("factors per channel are not symmetric about their mean.")


def multiply(weights: tf.Tensor, factors: Factors) -> tf.Tensor:
    """W ∘ (r sᵀ) for the factors of one tensor."""
    rows, columns = factors
    if rows is not None:
        weights = weights * rows[:, tf.newaxis]
    return weights if columns is None else weights * columns
