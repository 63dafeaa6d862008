"""Filter response normalisation with random scale, offset and threshold."""

from __future__ import annotations

from typing import Any, ClassVar

import gin
import keras
import tensorflow as tf

from bnn import operators
from bnn.layers.scale_offset import ScaleOffset
from bnn.sites import Site


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class FilterResponseNormalization(ScaleOffset):
    """y = max(γ ∘ x / √(ν² + ε) + β, τ), ν² the mean of x² over an example's positions.

    Singh & Krishnan 2020, equations 1 to 3. Every channel of every example has its own ν², so that
    no example depends on the others of its batch, as with batch normalisation: a draw is one
    function. The maximum is the paper's thresholded linear unit, which stands for a ReLU; at τ = 0,
    where it starts, it is one. Inputs `[B, …, C]` with at least one axis of positions: of a single
    position nothing but the sign would be left. Positions that are masked do not count in ν²: an
    example's padding changes nothing.

    Args:
      axis: of the channels.
      epsilon: ε, positive.
      threshold: whether there is a τ; False for y = γ ∘ x / √(ν² + ε) + β.
      **kwargs: of `ScaleOffset`, with options for the site `threshold`, too.
    """

    site_initializers: ClassVar = {**ScaleOffset.site_initializers, "threshold": "zeros"}

    def __init__(
        self, axis: int = -1, epsilon: float = 1e-6, threshold: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.epsilon = int(axis), float(epsilon)
        self.has_threshold = bool(threshold)
        if not self.epsilon > 0:
            raise ValueError(f"epsilon must be positive, got {epsilon}; 1e-6 is the paper's.")

    def build(self, input_shape: tuple) -> None:
        """Creates the variables.

        Raises:
          ValueError: inputs without an axis of positions.
        """
        if len(input_shape) < 3:
            raise ValueError(
                f"the inputs of layer {self.name!r} must have positions, [B, …, C], got shape "
                f"{tuple(input_shape)}; use LayerNormalization for features without positions."
            )
        self.add_scale_offset(input_shape, self.axis)
        self.threshold: Site | None = None
        if self.has_threshold:
            broadcast = operators.broadcast_shape(input_shape, [self.axis])
            operator = operators.Offset(broadcast)
            self.threshold = self.add_site("threshold", operator, (input_shape[self.axis],))

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        """Normalised, scaled, moved, and cut below at the threshold."""
        del training
        inputs = self.floating(inputs)
        exact = tf.cast(inputs, tf.float32) if inputs.dtype.size < 4 else inputs
        power = mean_square(exact, self.axis, mask)
        normalised = tf.cast(exact * tf.math.rsqrt(power + self.epsilon), inputs.dtype)
        outputs = self.scaled(normalised)
        if self.threshold is not None:
            outputs = tf.maximum(outputs, self.threshold(normalised))
        return outputs

    def get_config(self) -> dict:
        """Keras configuration."""
        own = {"axis": self.axis, "epsilon": self.epsilon, "threshold": self.has_threshold}
        return {**super().get_config(), **own}


def mean_square(inputs: Any, axis: int, mask: Any) -> Any:
    """ν²: the mean of x² over the positions of an example that are not masked, else of all.

    Args:
      inputs: x `[B, …]`.
      axis: of the channels.
      mask: booleans `[B, …]`, of the first axes of x without that of the channels; or None.
    """
    rank = len(inputs.shape)
    positions = [number for number in range(1, rank) if number != axis % rank]
    square = keras.ops.square(inputs)
    if mask is None:
        return keras.ops.mean(square, axis=positions, keepdims=True)
    covered = [0, *positions][: len(mask.shape)]
    for number in range(rank):
        if number not in covered:
            mask = keras.ops.expand_dims(mask, number)
    counted = keras.ops.cast(keras.ops.broadcast_to(mask, keras.ops.shape(square)), square.dtype)
    total = keras.ops.sum(counted, axis=positions, keepdims=True)
    return keras.ops.sum(counted * square, axis=positions, keepdims=True) / keras.ops.maximum(
        total, 1
    )
