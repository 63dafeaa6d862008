"""A point mass: the ordinary weight of a deterministic network."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.noise import Noise
from bnn.posteriors.posterior import Posterior


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.posteriors")
class Point(Posterior):
    """q(w) = δ(w − μ). Every estimator evaluates it at μ.

    Its KL to a prior with a density is infinite. The ledger counts −ln p(μ) in its place: the KL
    up to the constant that optimisation ignores, so that training with it is MAP estimation.
    """

    deterministic = True
    factorized = True
    symmetric = True

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)

    def distribution(self) -> tfd.Deterministic:
        """Deterministic(μ)."""
        return tfd.Deterministic(self.mean)

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """Zero."""
        del noise
        return tf.zeros(self.shape)

    def get_config(self) -> dict:
        """Keras configuration: no options."""
        return {}
