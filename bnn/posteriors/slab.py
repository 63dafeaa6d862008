"""What families have that multiply a normal weight, the slab, by a factor that can vanish."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from bnn.posteriors.posterior import Posterior


class Slab(Posterior):
    """w = v z with v ~ N(μ, σ²) element by element; z is the subclass's."""

    initial_scale: float

    def add_slab(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        """Creates μ, and ln σ, which begins at `initial_scale`."""
        self.add_mean(layer, name, **options)
        start = keras.initializers.Constant(math.log(self.initial_scale))
        self._log_scale = self.add_variable(
            layer, f"{name}_log_scale", self.shape, initializer=start
        )

    @property
    def slab_mean(self) -> tf.Tensor:
        """μ, float32, of the tensor's shape."""
        return super().mean

    @property
    def log_scale(self) -> tf.Tensor:
        """Ln σ of the slab, float32, of the tensor's shape."""
        self.shape  # noqa: B018
        return tf.convert_to_tensor(self._log_scale)
