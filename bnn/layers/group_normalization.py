"""Group normalisation with random scale and offset."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.layers.scale_offset import ScaleOffset


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class GroupNormalization(ScaleOffset):
    """y = γ ∘ (x − mean) / √(var + ε) + β over groups of channels (Wu & He 2018).

    Mean and variance are of all positions of an example, masked ones too, as in the Keras layer:
    what comes out for a padded sequence depends on how far it is padded. `LayerNormalization` and
    `RMSNormalization` normalise each position by itself, and `FilterResponseNormalization` leaves
    masked positions out.

    Args:
      groups: number of groups, a divisor of the channels; −1 for one a channel.
      axis: of the channels.
      epsilon: ε.
      **kwargs: of `ScaleOffset`: those of `keras.layers.GroupNormalization`, with posteriors and
        priors.
    """

    def __init__(
        self, groups: int = 32, axis: int = -1, epsilon: float = 1e-3, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.groups, self.axis, self.epsilon = groups, axis, float(epsilon)
        self.normalize = keras.layers.GroupNormalization(
            groups=groups,
            axis=axis,
            epsilon=epsilon,
            center=False,
            scale=False,
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple) -> None:
        """Creates the variables."""
        self.normalize.build(input_shape)
        self.add_scale_offset(input_shape, self.axis)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalised, scaled and moved."""
        del training
        return self.scaled(self.normalize(self.floating(inputs)))

    def get_config(self) -> dict:
        """Keras configuration."""
        own = {"groups": self.groups, "axis": self.axis, "epsilon": self.epsilon}
        return {**super().get_config(), **own}
