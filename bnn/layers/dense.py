"""The Bayesian dense layer."""

from __future__ import annotations

from typing import Any

import gin
import keras

from bnn import operators
from bnn.layers.bayesian_layer import BayesianLayer


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.layers")
class Dense(BayesianLayer):
    """y = activation(x W + b), x `[B, …, in]`, with random W `[in, units]` and b `[units]`.

    Args:
      units: number of outputs, positive.
      **kwargs: of `bnn.layers.BayesianLayer`: those of `keras.layers.Dense`, with
        kernel_posterior, bias_posterior, kernel_prior and bias_prior.
    """

    def __init__(self, units: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(activation=activation, **kwargs)
        if not isinstance(units, int) or units < 1:
            raise ValueError(f"units must be a positive integer, got {units!r}.")
        self.units = units
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        self.supports_masking = True

    def kernel_shape(self, input_shape: tuple) -> tuple[int, ...]:
        """`[in, units]`; fixes the number of input channels."""
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(
                f"the last axis of the inputs of layer {self.name!r} must be known, got shape "
                f"{tuple(input_shape)}; give keras.Input the number of features."
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: channels})
        return (channels, self.units)

    def bias_shape(self) -> tuple[int, ...]:
        """`[units]`."""
        return (self.units,)

    def make_operator(self, input_shape: tuple) -> operators.Operator:
        """Matrix product over the last axis."""
        return operators.Dense(positions=len(input_shape) > 2)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`[B, …, units]`."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {**super().get_config(), "units": self.units}
