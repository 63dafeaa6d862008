"""Layers of a kernel and a bias."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import tensorflow as tf

from bnn.layers.bayesian_layer import BayesianLayer
from bnn.operators import Bias, Operator
from bnn.sites import Site


class AffineLayer(BayesianLayer):
    """y = activation(op(x, kernel) + bias) with random kernel and bias.

    Subclasses build them with `add_affine` and implement `compute_output_shape`.

    Args:
      activation: Keras activation, or None.
      use_bias: whether there is a bias site.
      **kwargs: of `BayesianLayer`, with its options for the sites `kernel` and `bias`.
    """

    site_initializers: ClassVar = {"kernel": "glorot_uniform", "bias": "zeros"}

    def __init__(self, *, activation: Any = None, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.use_bias = bool(use_bias)

    def add_affine(
        self,
        operator: Operator,
        kernel_shape: tuple[int, ...],
        num_outputs: int,
        data_format: str = "channels_last",
    ) -> None:
        """Declares the sites; called in `build`."""
        self.kernel = self.add_site("kernel", operator, kernel_shape)
        self.bias: Site | None = None
        if self.use_bias:
            self.bias = self.add_site("bias", Bias(data_format), (num_outputs,))

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Activation of the sum of the sites."""
        del training  # of Keras's call context, where sites find it
        inputs = self.floating(inputs)
        outputs = self.kernel(inputs)
        if self.bias is not None:
            outputs = outputs + self.bias(inputs)
        return self.activation(outputs)

    def get_config(self) -> dict:
        """Keras configuration."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation, "use_bias": self.use_bias}
