"""BatchEnsemble: members that differ by rank-one factors of common weights."""

from __future__ import annotations

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

_MEMBERS = 3
_LEAST_FACTOR = 0.25
# The site that members are drawn at: the last number, which no model's own sites reach.
_MODEL = 2**16 - 1


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class BatchEnsemble(Posterior):
    """q(w) = (1/K) Σ_k δ(w − W ∘ (r_k s_kᵀ)): K members of common weights (Wen, Tran & Ba 2020).

    r_k scales the input and s_k the output channels, the last two axes; a vector has s alone. D +
    K (n + m) parameters. A sample of a model is one member: the member's number is common to all
    sites of a draw, and stratified, so that K samples in a row are the K members, each once. Under
    `LocalReparameterization` every example has a member of its own, as in the paper's vectorised
    form, where a batch is split among the members.

        E_q[w] = W ∘ mean_k(r_k s_kᵀ),   Cov_q[w] = mean_k(w_k w_kᵀ) − E_q[w] E_q[w]ᵀ

    The ledger counts the members as points of the site's prior, mean_k(−ln p(w_k)), up to the
    constant −ln K of the model: with the likelihood it is the mean of K MAP losses.

    Args:
      num_members: K, at least 1.
      separation: standard deviation of r and s about 1 at the start, positive: members that begin
        as one stay one. Where they begin with trained weights it may be less, see `initialise`.
    """

    has_density = False
    independent_samples = False

    def __init__(self, num_members: int = 4, separation: float = 0.5) -> None:
        self.num_members = require_count("num_members", num_members)
        self.separation = require_scale(separation, "separation")

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self._weights = self.add_variable(layer, f"{name}_weights", self.shape, **options)
        sizes = {"columns": self.shape[-1] if self.shape else 1}
        if len(self.shape) > 1:
            sizes = {"rows": self.shape[-2], **sizes}
        self._factors = {
            side: self.add_variable(
                layer,
                f"{name}_{side}",
                shape=(self.num_members, size),
                initializer=keras.initializers.RandomNormal(1.0, self.separation),
            )
            for side, size in sizes.items()
        }

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """W such that the members' mean is `mean`.

        W is divided by mean_k(r_k s_kᵀ), which some weights of a wide layer have near 0: they would
        be hundreds of times as large in every member. So r and s are drawn towards 1, by halves,
        until none is below ¼.
        """
        self.shape  # noqa: B018
        while np.min(self._mean_factor().numpy(), initial=1.0) < _LEAST_FACTOR:
            for factor in self._factors.values():
                factor.assign(0.5 * (1.0 + factor.value))
        super().initialise(np.asarray(mean) / self._mean_factor().numpy(), scale)

    def _sides(self) -> tuple[tf.Tensor | None, tf.Tensor]:
        """The factors of rows and columns, `[K, size]`; a vector has no rows."""
        found = {side: tf.convert_to_tensor(v) for side, v in self._factors.items()}
        return found.get("rows"), found["columns"]

    def _mean_factor(self) -> tf.Tensor:
        """mean_k(r_k s_kᵀ), `[n, m]` or `[m]`."""
        rows, columns = self._sides()
        if rows is None:
            return tf.reduce_mean(columns, axis=0)
        return tf.matmul(rows, columns, transpose_a=True) / self.num_members

    def members(self) -> tf.Tensor:
        """W ∘ (r_k s_kᵀ), float32, `[K, *shape]`."""
        self.shape  # noqa: B018
        rows, columns = self._sides()
        weights = tf.convert_to_tensor(self._weights)
        each = [
            multiply(weights, Factors(None if rows is None else rows[k], columns[k]))
            for k in range(self.num_members)
        ]
        return tf.stack(each)

    @property
    def mean(self) -> tf.Tensor:
        """The members' mean."""
        self.shape  # noqa: B018
        return tf.convert_to_tensor(self._weights) * self._mean_factor()

    @property
    def variance(self) -> tf.Tensor:
        """The members' variance, with K in the denominator."""
        return tf.math.reduce_variance(self.members(), axis=0)

    def covariance(self) -> tf.Tensor:
        """The members' covariance, `[D, D]`."""
        deviations = tf.reshape(self.members() - self.mean, [self.num_members, -1])
        return tf.matmul(deviations, deviations, transpose_a=True) / self.num_members

    def shared_covariance(self) -> tf.Tensor:
        """All of it: an example has one member at all its positions."""
        return self.covariance()

    @property
    def terms(self) -> tuple[Term, ...]:
        """A member less the members' mean."""
        mean = self.mean  # first: it raises the clear error before build
        weights = tf.convert_to_tensor(self._weights)
        return (Multiplicative(weights, mean, lambda: self.variance, self._draw),)

    def sample(self, noise: Noise) -> tf.Tensor:
        """One member."""
        self.shape  # noqa: B018
        return multiply(tf.convert_to_tensor(self._weights), self._draw(noise, None))

    def _draw(self, noise: Noise, batch: int | tf.Tensor | None) -> Factors:
        # Members of their own for the two of an antithetic pair, which nothing else tells apart.
        noise = noise.at(site=_MODEL, part=0, antithetic=False)
        if batch is None:
            member = stratified_component(noise, self.num_members)
        else:
            uniform = noise.uniform([batch], _MEMBERS, per_example=True)
            member = tf.cast(uniform * self.num_members, tf.int32)
            member = tf.minimum(member, self.num_members - 1)
        rows, columns = self._sides()
        drawn = tf.gather(columns, member)
        return Factors(None if rows is None else tf.gather(rows, member), drawn)

    def own_kl(self, prior: Any) -> list[tf.Tensor]:
        """mean_k(−ln p(w_k))."""
        each = [tf.reduce_sum(prior.log_prob(member)) for member in tf.unstack(self.members())]
        return [-tf.add_n(each) / self.num_members]

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"num_members": self.num_members, "separation": self.separation}
