"""Random rank-one factors of deterministic weights."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.noise import Noise
from bnn.posteriors.components import stratified_component
from bnn.posteriors.multiplicative import Factors, Multiplicative, multiply
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.terms import Term
from bnn.posteriors.validation import require_count, require_scale

_ROWS, _COLUMNS, _COMPONENTS = 1, 2, 3


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class RankOne(Posterior):
    """w = W ∘ (r sᵀ), r ~ N(r̄, σ_r²) per input and s ~ N(s̄, σ_s²) per output channel.

    The rank-1 parameterization of Dusenberry et al. (2020) with normal factors;
    with M components, r̄, σ_r, s̄ and σ_s are those of a component, of which one serves the tensor,
    stratified over the samples of a step and drawn for every example in the local form. Beside the
    D weights there are 2 M (n + m) parameters for n input and m output channels, the last two axes;
    a vector has s alone.

    q has no density over the weights: it lives on a manifold. The ledger counts, with ζ the
    prior's scale of the factors,

        Σ_j KL(N(r̄_j, σ_r,j²) ‖ N(1, ζ²)) + Σ_j KL(N(s̄_j, σ_s,j²) ‖ N(1, ζ²)) − ln p(W)

    W is a point of the site's prior, as the paper's weight decay has it. Of M components the ledger
    counts the mean of the first two sums, which is at most ln M above the mixture's KL.

    `Reparameterization` and `LocalReparameterization` serve it. Cauchy factors have no mean, which
    every tool outside of a draw needs, and are not offered.

    Args:
      initial_scale: σ_r and σ_s at the start, positive: relative standard deviations.
      num_components: M, at least 1.
      factor_prior_scale: ζ, positive.
      separation: standard deviation of r̄ and s̄ about 1 at the start, for M > 1.
    """

    has_density = False

    def __init__(
        self,
        initial_scale: float = 0.05,
        num_components: int = 1,
        factor_prior_scale: float = 0.1,
        separation: float = 0.1,
    ) -> None:
        self.initial_scale = require_scale(initial_scale)
        self.num_components = require_count("num_components", num_components)
        self.factor_prior_scale = require_scale(factor_prior_scale, "factor_prior_scale")
        self.separation = require_scale(separation, "separation")

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self._weights = self.add_variable(layer, f"{name}_weights", self.shape, **options)
        sizes = {"rows": self.shape[-2] if len(self.shape) > 1 else None, "columns": self._columns}
        self._factors = {
            side: self._add_factor(layer, f"{name}_{side}", size)
            for side, size in sizes.items()
            if size is not None
        }

    @property
    def _columns(self) -> int:
        return self.shape[-1] if self.shape else 1

    def _add_factor(
        self, layer: keras.layers.Layer, name: str, size: int
    ) -> tuple[keras.Variable, keras.Variable]:
        shape = (self.num_components, size)
        initializers = keras.initializers
        spread = initializers.RandomNormal(1.0, self.separation)
        centre = initializers.Constant(1.0) if self.num_components == 1 else spread
        loc = self.add_variable(layer, f"{name}_loc", shape=shape, initializer=centre)
        start = initializers.Constant(math.log(self.initial_scale))
        log_scale = self.add_variable(layer, f"{name}_log_scale", shape=shape, initializer=start)
        return loc, log_scale

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """W such that E_q[w] is `mean`, where no mean factor is zero."""
        super().initialise(np.asarray(mean) / self._mean_factor().numpy(), scale)

    def _moments(self, side: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Means and standard deviations of a side's factors, each `[M, size]`."""
        loc, log_scale = (tf.convert_to_tensor(v) for v in self._factors[side])
        return loc, tf.exp(log_scale)

    def _mean_factor(self, second: bool = False) -> tf.Tensor:
        """E[r sᵀ], or E[r² sᵀ²], `[n, m]` or `[m]`."""
        sides = []
        for side in self._factors:
            loc, scale = self._moments(side)
            sides.append(tf.square(loc) + tf.square(scale) if second else loc)
        if len(sides) == 1:
            return tf.reduce_mean(sides[0], axis=0)
        return tf.einsum("kn,km->nm", *sides) / self.num_components

    @property
    def mean(self) -> tf.Tensor:
        """W ∘ E[r sᵀ]."""
        self.shape  # noqa: B018  (raises the clear error before build)
        return tf.convert_to_tensor(self._weights) * self._mean_factor()

    @property
    def variance(self) -> tf.Tensor:
        """W² ∘ (E[r² sᵀ²] − E[r sᵀ]²)."""
        self.shape  # noqa: B018
        spread = self._mean_factor(second=True) - tf.square(self._mean_factor())
        return tf.square(tf.convert_to_tensor(self._weights)) * spread

    def covariance(self) -> tf.Tensor:
        """W_ij W_kl (E[r_i r_k s_j s_l] − E[r_i s_j] E[r_k s_l]), `[D, D]`; not of kernels."""
        if len(self.shape) > 2:
            raise NotImplementedError("the covariance of rank-one kernels has no closed form here.")
        seconds = []
        for side in self._factors:
            loc, scale = self._moments(side)
            seconds.append(tf.einsum("ki,kj->kij", loc, loc) + tf.linalg.diag(tf.square(scale)))
        if len(seconds) == 1:
            seconds.insert(0, tf.ones([self.num_components, 1, 1]))
        joint = tf.einsum("kac,kbd->abcd", *seconds) / self.num_components
        size = math.prod(self.shape)
        factor = tf.reshape(self._mean_factor(), [-1, 1])
        weights = tf.reshape(tf.convert_to_tensor(self._weights), [-1, 1])
        products = tf.reshape(joint, [size, size]) - factor * tf.transpose(factor)
        return weights * tf.transpose(weights) * products

    def shared_covariance(self) -> tf.Tensor:
        """All of it: an example has one r and one s at all its positions."""
        return self.covariance()

    @property
    def independent_samples(self) -> bool:  # type: ignore[override]
        """Components are stratified."""
        return self.num_components == 1

    @property
    def vanishing(self) -> bool:  # type: ignore[override]
        """Components differ whatever their scales."""
        return self.num_components == 1

    @property
    def terms(self) -> tuple[Term, ...]:
        """W ∘ (r sᵀ) − E[w]."""
        mean = self.mean  # first: it raises the clear error before build
        weights = tf.convert_to_tensor(self._weights)
        return (Multiplicative(weights, mean, lambda: self.variance, self._draw),)

    def sample(self, noise: Noise) -> tf.Tensor:
        """W ∘ (r sᵀ)."""
        self.shape  # noqa: B018
        factors = self._draw(noise, None)
        return multiply(tf.convert_to_tensor(self._weights), factors)

    def _draw(self, noise: Noise, batch: int | tf.Tensor | None) -> Factors:
        count = self.num_components
        if batch is None:
            component = stratified_component(noise, count)
        else:
            uniform = noise.uniform([batch], _COMPONENTS, per_example=True)
            component = tf.minimum(tf.cast(uniform * count, tf.int32), count - 1)
        drawn = {}
        for stream, side in ((_ROWS, "rows"), (_COLUMNS, "columns")):
            if side in self._factors:
                loc, scale = (tf.gather(m, component) for m in self._moments(side))
                shape = loc.shape if batch is None else [batch, loc.shape[-1]]
                per_example = batch is not None
                drawn[side] = loc + scale * noise.normal(shape, stream, per_example=per_example)
        return Factors(drawn.get("rows"), drawn["columns"])

    def own_kl(self, prior: Any) -> list[tf.Tensor]:
        """The KL of the factors, and −ln p(W)."""
        parts = [-prior.log_prob(tf.convert_to_tensor(self._weights))]
        for side in self._factors:
            loc, scale = (m for m in self._moments(side))
            ratio = tf.square(scale / self.factor_prior_scale)
            shift = tf.square((loc - 1.0) / self.factor_prior_scale)
            parts.append(0.5 * (ratio + shift - 1.0 - tf.math.log(ratio)) / self.num_components)
        return [tf.reduce_sum(part) for part in parts]

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "initial_scale": self.initial_scale,
            "num_components": self.num_components,
            "factor_prior_scale": self.factor_prior_scale,
            "separation": self.separation,
        }
