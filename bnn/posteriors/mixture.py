"""A mixture of mean fields."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.noise import Noise
from bnn.posteriors.components import stratified_component
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.scales import Exponential, ScaleTransform
from bnn.posteriors.validation import require_count, require_scale


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class Mixture(Posterior):
    """q(w) = (1/K) Σ_k ∏ᵢ N(wᵢ; μᵢ + δ_kᵢ, σ_kᵢ²), Σ_k δ_k = 0 (Jaakkola & Jordan 1998).

    One component serves the whole tensor. The weights of the components are equal and fixed, so
    that a component needs no score: E_q[f] = (1/K) Σ_k E_k[f], each reparameterized. Components are
    stratified over the samples of a step (`bnn.posteriors.components`): with a multiple of K
    samples each has its share exactly. Samples of one step therefore depend on one another, which
    baselines made of other samples refuse.

        E_q[w] = μ,   Var_q[w] = (1/K) Σ_k [σ_k² + δ_k²]

    There is no entropy in closed form; H[q] lies within ln K of the components' mean entropy. The
    ledger samples it. (2 K + 1) D parameters. The estimators in weight space serve it.

    Args:
      num_components: K, at least 1.
      initial_scale: σ of every element at the start, positive.
      separation: standard deviation of δ at the start, in units of initial_scale: components that
        begin as one stay one.
      scale_transform: the map from ρ to σ; `Exponential()` where None.
    """

    independent_samples = False

    def __init__(
        self,
        num_components: int = 2,
        initial_scale: float = 0.02,
        separation: float = 1.0,
        scale_transform: ScaleTransform | None = None,
    ) -> None:
        self.num_components = require_count("num_components", num_components)
        self.initial_scale = require_scale(initial_scale)
        self.separation = require_scale(separation, "separation")
        self.scale_transform = scale_transform if scale_transform is not None else Exponential()

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)
        stacked = (self.num_components, *self.shape)
        spread = self.initial_scale * self.separation
        self._offsets = self.add_variable(
            layer,
            f"{name}_offsets",
            shape=stacked,
            initializer=keras.initializers.RandomNormal(stddev=spread),
        )
        start = self.scale_transform.inverse(self.initial_scale)
        self._unconstrained_scale = self.add_variable(
            layer,
            f"{name}_unconstrained_scale",
            shape=stacked,
            initializer=keras.initializers.Constant(start),
        )

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """μ and, where it is given, σ of all components; δ stays."""
        super().initialise(mean)
        if scale is not None:
            values = np.broadcast_to(np.asarray(scale, np.float64), self._offsets.shape)
            inverse = np.vectorize(self.scale_transform.inverse, otypes=[np.float32])
            self._unconstrained_scale.assign(inverse(values))

    def offsets(self) -> tf.Tensor:
        """δ_k, float32, `[K, *shape]`, of mean zero over the components."""
        self.shape  # noqa: B018
        offsets = tf.convert_to_tensor(self._offsets)
        return offsets - tf.reduce_mean(offsets, axis=0)

    def scales(self) -> tf.Tensor:
        """σ_k, float32, `[K, *shape]`."""
        self.shape  # noqa: B018
        return self.scale_transform(tf.convert_to_tensor(self._unconstrained_scale))

    @property
    def variance(self) -> tf.Tensor:
        """The mean over k of σ_k² + δ_k²."""
        return tf.reduce_mean(tf.square(self.scales()) + tf.square(self.offsets()), axis=0)

    def covariance(self) -> tf.Tensor:
        """The mean over k of diag(σ_k²) + δ_k δ_kᵀ, `[D, D]`."""
        count = self.num_components
        offsets = tf.reshape(self.offsets(), [count, -1])
        within = tf.reduce_mean(tf.square(self.scales()), axis=0)
        between = tf.matmul(offsets, offsets, transpose_a=True) / count
        return tf.linalg.diag(tf.reshape(within, [-1])) + between

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """δ_k + σ_k ε for the component k of this sample."""
        k = stratified_component(noise, self.num_components)
        return tf.gather(self.offsets(), k) + tf.gather(self.scales(), k) * noise.normal(self.shape)

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """The logarithm of the mean of the components' densities."""
        log_scale = self.scale_transform.log(tf.convert_to_tensor(self._unconstrained_scale))
        z = (weights - self.mean - self.offsets()) / self.scales()
        each = -0.5 * tf.square(z) - log_scale - 0.5 * math.log(2 * math.pi)
        joint = tf.reduce_sum(tf.reshape(each, [self.num_components, -1]), axis=1)
        return tf.reduce_logsumexp(joint) - math.log(self.num_components)

    def entropy(self) -> tf.Tensor:
        """None in closed form.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("the entropy of a mixture has no closed form.")

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "num_components": self.num_components,
            "initial_scale": self.initial_scale,
            "separation": self.separation,
            "scale_transform": keras.saving.serialize_keras_object(self.scale_transform),
        }

    @classmethod
    def from_config(cls, config: dict) -> Mixture:
        """The description that `get_config` gave."""
        transform = keras.saving.deserialize_keras_object(config["scale_transform"])
        return cls(**{**config, "scale_transform": transform})
