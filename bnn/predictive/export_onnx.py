"""Files for ONNX, in its own operations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from bnn.predictive.activations import plain_operations
from bnn.predictive.files import write_whole

_OPSET = 18


def write_onnx(function: Callable[..., Any], specs: dict[str, Any], path: Path) -> None:
    """Writes a function as an ONNX file, in one step.

    Args:
      function: of tensors by name; gives tensors by name, which the file's outputs have.
      specs: of its arguments, whose names the file's inputs have.
      path: of the file.

    Raises:
      ImportError: without the extra `onnx`.
      ValueError: operations that ONNX does not have.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            f"a path that ends in .onnx needs tf2onnx, which cannot be imported ({error}); install "
            "it with pip install 'bnn[onnx]', or export to a folder or a .tflite file."
        ) from error
    with plain_operations():
        model, _ = tf2onnx.convert.from_function(
            tf.function(function, autograph=False),
            input_signature=list(specs.values()),
            opset=_OPSET,
        )
    unknown = {n.op_type for n in model.graph.node if not onnx.defs.has(n.op_type, n.domain)}
    if unknown:
        raise ValueError(
            f"path {path} must be a folder or end in .tflite for this model: ONNX has no "
            f"{', '.join(sorted(unknown))}."
        )
    write_whole(path, model.SerializeToString())
