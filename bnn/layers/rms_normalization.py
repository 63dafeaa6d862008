"""Root-mean-square normalisation with random scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gin
import keras
import tensorflow as tf

from bnn import operators
from bnn.layers.bayesian_layer import BayesianLayer
from bnn.priors import Normal


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class RMSNormalization(BayesianLayer):
    """y = scale ∘ x / √(mean x² + ε) over `axis` of each example (Zhang & Sennrich 2019).

    The default prior of the scale is N(1, 1), about the value at which it does nothing.

    Args:
      axis: or axes that are normalised together and that the scale has.
      epsilon: ε.
      **kwargs: of `BayesianLayer`, with its options for the site `scale`.
    """

    site_initializers: ClassVar = {"scale": "ones"}

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any
    ) -> None:
        if kwargs.get("scale_prior") is None:
            kwargs["scale_prior"] = Normal(1.0)
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else sorted(axis)
        self.epsilon = float(epsilon)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates the variables."""
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        shape = tuple(input_shape[axis] for axis in axes)
        if None in shape:
            raise ValueError(
                f"the inputs of layer {self.name!r} must have known sizes at axes {axes}, got "
                f"shape {tuple(input_shape)}."
            )
        operator = operators.Scale(operators.broadcast_shape(input_shape, axes))
        self.scale = self.add_site("scale", operator, shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalised and scaled."""
        del training
        inputs = self.floating(inputs)
        normalised = keras.ops.rms_normalization(inputs, axis=self.axis, epsilon=self.epsilon)
        return self.scale(tf.cast(normalised, inputs.dtype))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the inputs."""
        return tuple(input_shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
