"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gin
import keras

from bnn.layers import Dense
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def mlp(
    input_shape: Sequence[int],
    num_outputs: int,
    *,
    hidden: Sequence[int] = (200, 200),
    activation: Any = "relu",
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """A fully connected Bayesian network, inputs flattened.

    Args:
      input_shape: of one example, without the batch axis.
      num_outputs: number of outputs, linear.
      hidden: units of each hidden layer.
      activation: of the hidden layers.
      kernel_posterior: of every kernel; the layer's default where None.
      bias_posterior: of every bias.
      kernel_prior: of every kernel.
      bias_prior: of every bias.

    Returns:
      A Keras model from `[B, *input_shape]` to `[B, num_outputs]`.
    """
    sites = {
        "kernel_posterior": kernel_posterior,
        "bias_posterior": bias_posterior,
        "kernel_prior": kernel_prior,
        "bias_prior": bias_prior,
    }
    layers: list[keras.layers.Layer] = [keras.Input(tuple(input_shape))]
    if len(input_shape) > 1:
        layers.append(keras.layers.Flatten())
    # He's rule keeps the variance of the signal through ReLU layers.
    layers += [
        Dense(units, activation=activation, kernel_initializer="he_normal", **sites)
        for units in hidden
    ]
    layers.append(Dense(num_outputs, kernel_initializer="glorot_normal", **sites))
    return keras.Sequential(layers)
