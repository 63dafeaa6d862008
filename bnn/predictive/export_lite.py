"""Files for LiteRT, in its own operations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bnn.prediction import Draws
from bnn.predictive.files import write_whole


def write_lite(
    function: Callable[..., Any], specs: dict[str, Any], path: Path, module: tf.Module
) -> None:
    """Writes a function as the signature `serving_default` of a LiteRT file, in one step.

    Args:
      function: of tensors by name; gives tensors by name.
      specs: of its arguments.
      path: of the file.
      module: holds the variables that the function reads.
    """
    traced = tf.function(function, autograph=False).get_concrete_function(**specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], module)
    write_whole(path, converter.convert())


def write_lite_sampler(
    model: keras.Model, specs: dict[str, Any], structure: Any, path: Path, module: tf.Module
) -> None:
    """Writes `serving_default(inputs, seed, number)` → `outputs` of one function.

    One function a call: LiteRT's loops want shapes that are known. Seeds have 32 bits there.

    Args:
      model: built.
      specs: of its inputs.
      structure: of these, as the model takes them.
      path: of the file.
      module: holds the model's variables.
    """
    draws = Draws(1, 0)

    def sample(**arguments: Any) -> dict[str, tf.Tensor]:
        rows = keras.tree.pack_sequence_as(structure, [arguments[name] for name in specs])
        with keras.StatelessScope(), draws.at(arguments["number"], arguments["seed"]):
            return {"outputs": tf.cast(model(rows, training=False), tf.float32)}

    scalars = {name: tf.TensorSpec([], tf.int32, name=name) for name in ("seed", "number")}
    write_lite(sample, {**specs, **scalars}, path, module)
