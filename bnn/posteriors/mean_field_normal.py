"""The factorised normal family."""

from __future__ import annotations

from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn import distributions as tfd
from bnn.noise import Noise
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.scales import Exponential, ScaleTransform
from bnn.posteriors.validation import require_scale


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.posteriors")
class MeanFieldNormal(Posterior):
    """q(w) = ∏ᵢ N(wᵢ; μᵢ, σᵢ²), σ = transform(ρ) (Graves 2011; Blundell et al. 2015).

    Args:
      initial_scale: σ of every element at the start, positive.
      scale_transform: the map from ρ to σ; `Exponential()` where None, whose logarithm, which the
        KL needs, costs nothing.
    """

    factorized = True
    symmetric = True
    normal = True

    def __init__(
        self, initial_scale: float = 0.02, scale_transform: ScaleTransform | None = None
    ) -> None:
        self.initial_scale = require_scale(initial_scale)
        self.scale_transform = scale_transform if scale_transform is not None else Exponential()

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)
        self._unconstrained_scale = self.add_variable(
            layer,
            f"{name}_unconstrained_scale",
            shape=self.shape,
            initializer=keras.initializers.Constant(
                self.scale_transform.inverse(self.initial_scale)
            ),
        )

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """μ and, where it is given, σ."""
        super().initialise(mean)
        if scale is not None:
            values = np.broadcast_to(np.asarray(scale, np.float64), self.shape)
            inverse = np.vectorize(self.scale_transform.inverse, otypes=[np.float32])
            self._unconstrained_scale.assign(inverse(values))

    @property
    def scale(self) -> tf.Tensor:
        """σ, float32, of the tensor's shape."""
        self.shape  # noqa: B018
        return self.scale_transform(tf.convert_to_tensor(self._unconstrained_scale))

    @property
    def log_scale(self) -> tf.Tensor:
        """Ln σ, float32, of the tensor's shape."""
        self.shape  # noqa: B018
        return self.scale_transform.log(tf.convert_to_tensor(self._unconstrained_scale))

    @property
    def variance(self) -> tf.Tensor:
        """σ²."""
        return tf.square(self.scale)

    def distribution(self) -> tfd.Normal:
        """Normal(μ, σ)."""
        return tfd.Normal(self.mean, self.scale)

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """σ ε with ε ~ N(0, 1)."""
        return self.scale * noise.normal(self.shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "initial_scale": self.initial_scale,
            "scale_transform": keras.saving.serialize_keras_object(self.scale_transform),
        }

    @classmethod
    def from_config(cls, config: dict) -> MeanFieldNormal:
        """The description that `get_config` gave."""
        transform = keras.saving.deserialize_keras_object(config["scale_transform"])
        return cls(config["initial_scale"], transform)
