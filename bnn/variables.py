"""Variables of probability distributions inside Keras layers."""

from __future__ import annotations

from typing import Any

import keras


def add_float32_weight(layer: keras.layers.Layer, name: str, **kwargs: Any) -> keras.Variable:
    """A trainable variable that mixed precision neither stores nor reads in a lower precision.

    It becomes the layer's attribute `name` too: `tf.train.Checkpoint` finds variables by attribute.

    Args:
      layer: owns the variable.
      name: of the variable.
      **kwargs: of `keras.layers.Layer.add_weight`.
    """
    options = {"dtype": "float32", "autocast": False, "trainable": True, **kwargs}
    variable = layer.add_weight(name=name, **options)
    setattr(layer, name, variable)
    return variable
