"""Files for ONNX, in its own operations."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from bnn.predictive.activations import plain_operations

_OPSET = 18


def write_onnx(function: Callable[..., Any], specs: dict[str, Any], path: Path) -> None:
    """Writes a function as an ONNX file, in one step.

    Args:
      function: of tensors by name; gives tensors by name, which the file's outputs have.
      specs: of its arguments, whose names the file's inputs have.
      path: of the file.

    Raises:
      ImportError: without tf2onnx.
      ValueError: operations that ONNX does not have.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "a path that ends in .onnx needs tf2onnx; install it with pip install 'bnn[onnx]', or "
            "export to a folder or a .tflite file."
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a process that had this number and was killed
        with temporary.open("xb") as file:  # which follows no link
            file.write(model.SerializeToString())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
