"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gin
import keras

from bnn.layers import Dense
from bnn.posteriors import Posterior
from bnn.priors import Prior


@gin.register(module="bnn.models")
def mlp(
    input_shape: Sequence[int] | Mapping[str, Sequence[int]],
    num_outputs: int | Mapping[str, int],
    *,
    hidden: Sequence[int] = (200, 200),
    activation: Any = "relu",
    kernel_posterior: Posterior | None = None,
    bias_posterior: Posterior | None = None,
    kernel_prior: Prior | None = None,
    bias_prior: Prior | None = None,
) -> keras.Model:
    """A fully connected Bayesian network, inputs flattened, several of them side by side.

    Args:
      input_shape: of one example, without the batch axis; of several inputs by name.
      num_outputs: number of outputs, linear; of several targets (`Heads`) by name.
      hidden: units of each hidden layer.
      activation: of the hidden layers.
      kernel_posterior: of every kernel; the layer's default where None.
      bias_posterior: of every bias.
      kernel_prior: of every kernel.
      bias_prior: of every bias.

    Returns:
      A Keras model from `[B, *input_shape]` to `[B, num_outputs]`, or from and to dicts of these.
    """
    sites = {
        "kernel_posterior": kernel_posterior,
        "bias_posterior": bias_posterior,
        "kernel_prior": kernel_prior,
        "bias_prior": bias_prior,
    }
    # He's rule keeps the variance of the signal through ReLU layers.
    layers: list[keras.layers.Layer] = [
        Dense(units, activation=activation, kernel_initializer="he_normal", **sites)
        for units in hidden
    ]
    if isinstance(input_shape, Mapping) or isinstance(num_outputs, Mapping):
        return _of_several(input_shape, num_outputs, layers, sites)
    layers.append(Dense(num_outputs, kernel_initializer="glorot_normal", **sites))
    flat = [keras.layers.Flatten()] if len(input_shape) > 1 else []
    return keras.Sequential([keras.Input(tuple(input_shape)), *flat, *layers])


def _of_several(
    input_shape: Any, num_outputs: Any, layers: list[keras.layers.Layer], sites: dict[str, Any]
) -> keras.Model:
    """Inputs side by side, through the layers, to an output for every target."""
    if isinstance(input_shape, Mapping):
        inputs = {name: keras.Input(tuple(shape), name=name) for name, shape in input_shape.items()}
    else:
        inputs = {"": keras.Input(tuple(input_shape))}
    flat = [x if x.ndim == 2 else keras.layers.Flatten()(x) for x in inputs.values()]
    h = flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
    for layer in layers:
        h = layer(h)

    def output(number: int, **name: str) -> Any:
        return Dense(number, kernel_initializer="glorot_normal", **sites, **name)(h)

    outputs = (
        {name: output(number, name=f"{name}_outputs") for name, number in num_outputs.items()}
        if isinstance(num_outputs, Mapping)
        else output(num_outputs)
    )
    return keras.Model(inputs if isinstance(input_shape, Mapping) else inputs[""], outputs)
