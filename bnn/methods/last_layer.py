"""The last layer of a network, and the features that enter it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bnn.compat import all_layers
from bnn.layers import Dense


class LastLayer:
    """A model as a dense layer on features, outputs = φ W + b.

    Args:
      model: built, `Sequential` or functional, of one output.
      method: its name, for messages.
      replaced: whether the method has weights of its own in the layer's place, so that a frozen
        one is refused.

    Attributes:
      layer: the dense layer, of `bnn.layers` or Keras, linear.
      features: model from the inputs to φ `[B, H]`; it shares all layers.

    Raises:
      ValueError: a model that ends otherwise.
    """

    def __init__(self, model: keras.Model, method: str, replaced: bool = False) -> None:
        functional = bool(getattr(model, "inputs", None))
        dense = [x for x in all_layers(model) if isinstance(x, (keras.layers.Dense, Dense))]
        last = model.layers[-1] if model.layers else None
        if not functional or not dense or last is not dense[-1]:
            raise ValueError(
                f"method {method} needs a Sequential or functional model whose last layer is "
                f"dense, got {model.name!r}, which ends with {type(last).__name__}; put a Dense "
                "layer at its end."
            )
        # Operations such as `keras.ops.tanh(outputs)` are no layers, and come after the last one.
        if len(model.outputs) != 1 or model.outputs[0] is not last.output:
            raise ValueError(
                f"method {method} needs a model whose outputs are those of its last layer "
                f"{last.name!r}, but {model.name!r} computes others from them; let it end with "
                "that layer."
            )
        if last.activation is not keras.activations.linear or len(last.input.shape) != 2:
            raise ValueError(
                f"method {method} needs a last layer {last.name!r} that is linear, on features "
                "[B, H]; leave its activation out, and flatten or pool its inputs."
            )
        if replaced and not last.trainable:
            raise ValueError(
                f"method {method} fits the last layer {last.name!r}, which is frozen; set its "
                "trainable = True, or use the method MAP."
            )
        self.layer = last
        # In the structure that the model takes, a dict of columns for example.
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        self.features = keras.Model(inputs, last.input)

    def extended(self, features: Any) -> tf.Tensor:
        """φ with a column of ones behind it where the layer has a bias, `[B, P]`."""
        features = tf.cast(features, tf.float32)
        if not self.layer.use_bias:
            return features
        return tf.concat([features, tf.ones_like(features[:, :1])], -1)

    @property
    def size(self) -> int:
        """P, weights of one output: H, and one more with a bias."""
        return int(self.layer.input.shape[-1]) + int(self.layer.use_bias)

    @property
    def num_outputs(self) -> int:
        """C."""
        return int(self.layer.units)
