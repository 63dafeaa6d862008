"""The Bayesian dense layer."""

from __future__ import annotations

from typing import Any

import gin
import keras

from bnn import operators
from bnn.layers.affine_layer import AffineLayer


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Dense(AffineLayer):
    """y = activation(x W + b), x `[B, …, in]`, with random W `[in, units]` and b `[units]`.

    Args:
      units: number of outputs, positive.
      activation: Keras activation, or None.
      **kwargs: of `AffineLayer`: those of `keras.layers.Dense`, with kernel_posterior,
        bias_posterior, kernel_prior and bias_prior.
    """

    def __init__(self, units: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(activation=activation, **kwargs)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"units must be a positive integer, got {units!r}.")
        self.units = units
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates the variables; fixes the number of input channels."""
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(
                f"the last axis of the inputs of layer {self.name!r} must be known, got shape "
                f"{tuple(input_shape)}; give keras.Input the number of features."
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: channels})
        self.add_affine(operators.Dense(), (channels, self.units), self.units)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`[B, …, units]`."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "units": self.units}
