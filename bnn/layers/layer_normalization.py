"""Layer normalisation with random scale and offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.layers.scale_offset import ScaleOffset


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class LayerNormalization(ScaleOffset):
    """y = γ ∘ (x − mean) / √(var + ε) + β over `axis` of each example (Ba, Kiros & Hinton 2016).

    Args:
      axis: or axes that are normalised together and that γ and β have.
      epsilon: ε.
      **kwargs: of `ScaleOffset`: those of `keras.layers.LayerNormalization`, with posteriors and
        priors.
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-3, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = float(epsilon)
        self.autocast = False  # as in Keras: moments are of the inputs in their own precision
        self.normalize = keras.layers.LayerNormalization(
            axis=axis, epsilon=epsilon, center=False, scale=False, dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple) -> None:
        """Creates the variables."""
        self.normalize.build(input_shape)
        self.add_scale_offset(input_shape, self.axis)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalised, scaled and moved."""
        del training
        normalised = self.normalize(self.floating(inputs))
        return self.scaled(tf.cast(normalised, self.compute_dtype))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
