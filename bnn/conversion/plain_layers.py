"""Layers of bnn's own, which Keras has not, with plain weights: what `to_keras` makes of them."""

from __future__ import annotations

from typing import Any

import keras

from bnn.layers import FilterResponseNormalization, PositionEmbedding
from bnn.layers.filter_response_normalization import mean_square


@keras.saving.register_keras_serializable(package="bnn", name="PlainFilterResponseNormalization")
class PlainFilterResponseNormalization(keras.layers.Layer):
    """y = max(γ ∘ x / √(ν² + ε) + β, τ) as `bnn.layers.FilterResponseNormalization`.

    Args:
      axis: of the channels.
      epsilon: ε.
      threshold: whether there is a τ.
      center: whether there is a β.
      scale: whether there is a γ.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-6,
        threshold: bool = True,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.epsilon = axis, epsilon
        self.parts = {"gamma": scale, "beta": center, "threshold": threshold}
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates the weights."""
        shape = (input_shape[self.axis],)
        self.held = {
            name: self.add_weight(name=name, shape=shape, initializer=_BEGIN[name])
            for name, there in self.parts.items()
            if there
        }

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Normalised, scaled, moved, and cut below at the threshold."""
        rank = len(inputs.shape)
        channels = self.axis % rank
        shape = [1 if axis != channels else -1 for axis in range(rank)]
        exact = keras.ops.cast(inputs, "float32") if self.compute_dtype in _HALF else inputs
        power = mean_square(exact, self.axis, mask)
        outputs = keras.ops.cast(exact * keras.ops.rsqrt(power + self.epsilon), inputs.dtype)
        held = {name: keras.ops.reshape(v, shape) for name, v in self.held.items()}
        if "gamma" in held:
            outputs = outputs * held["gamma"]
        if "beta" in held:
            outputs = outputs + held["beta"]
        return keras.ops.maximum(outputs, held["threshold"]) if "threshold" in held else outputs

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the inputs."""
        return tuple(input_shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        own = {"axis": self.axis, "epsilon": self.epsilon}
        names = {"gamma": "scale", "beta": "center", "threshold": "threshold"}
        parts = {names[name]: there for name, there in self.parts.items()}
        return {**super().get_config(), **own, **parts}


@keras.saving.register_keras_serializable(package="bnn", name="PlainPositionEmbedding")
class PlainPositionEmbedding(keras.layers.Layer):
    """y = x + P as `bnn.layers.PositionEmbedding`.

    Args:
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates the weights."""
        self.embeddings = self.add_weight(name="embeddings", shape=tuple(input_shape[1:]))

    def call(self, inputs: Any) -> Any:
        """The inputs with their positions."""
        return inputs + self.embeddings

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the inputs."""
        return tuple(input_shape)


_HALF = ("float16", "bfloat16")  # which do not hold the squares of what they hold
_BEGIN = {"gamma": "ones", "beta": "zeros", "threshold": "zeros"}
PLAIN: dict[type[keras.layers.Layer], type[keras.layers.Layer]] = {
    FilterResponseNormalization: PlainFilterResponseNormalization,
    PositionEmbedding: PlainPositionEmbedding,
}
