"""Predictions by moments, which draw nothing, as a SavedModel, a LiteRT or an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bnn.likelihoods import Likelihood
from bnn.predictive.export import (
    input_specs,
    model_and_likelihood,
    require_new,
    said_of,
    save_module,
)
from bnn.predictive.export_lite import write_lite
from bnn.predictive.export_onnx import write_onnx
from bnn.predictive.fitted import check_level
from bnn.predictive.moment_samples import MomentSamples
from bnn.predictive.moments import propagate, require_served


def export_moments(
    model: keras.Model,
    path: str | Path,
    likelihood: Likelihood | None = None,
    *,
    num_points: int = 64,
    covariance: bool = True,
    level: float = 0.95,
    **units: Any,
) -> None:
    """Writes what `bnn.predictive(…, method="moments")` says, without bnn and without noise.

    To a folder: a SavedModel with the signature `predict(inputs)`, which is `serving_default` too,
    of `mean`, `total`, `aleatoric`, `epistemic` and of numbers `lower` and `upper`, as `bnn.export`
    gives them. To a path that ends in `.tflite`: a LiteRT file with the signature
    `serving_default(inputs)` of `mean` and `variance` of the model's outputs, as of
    `bnn.predictive.propagate`, in LiteRT's own operations. To one that ends in `.onnx` (extra
    `onnx`): the same for ONNX, in operations of its set 18.

    Args:
      model: as of `bnn.export`, with layers that `propagate` serves.
      path: new.
      likelihood: as of `bnn.export`.
      num_points: outputs that are drawn from the normals, always the same.
      covariance: as of `bnn.predictive`; not of LiteRT and ONNX.
      level: of the interval.
      **units: as of `bnn.export`.

    Raises:
      FileExistsError: something is at the path.
      ImportError: `.onnx` without the extra `onnx`.
      ValueError: as of `bnn.export` and `propagate`; operations that ONNX does not have.
    """
    path, level = Path(path), check_level(level)
    network, likelihood = model_and_likelihood(model, likelihood)
    require_served(network)
    require_new(path)
    module = tf.Module()
    module.kept = [v.value for v in [*network.variables, *likelihood.variables]]

    def outputs(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return propagate(network, inputs)._asdict()

    if path.suffix == ".tflite":
        write_lite(outputs, input_specs(network), path, module)
        return
    if path.suffix == ".onnx":
        write_onnx(outputs, input_specs(network), path)
        return
    drawn = MomentSamples(network, likelihood, num_points, 0, covariance)

    def predict(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return said_of(likelihood.predictive(drawn(inputs), **units), level)

    function = tf.function(predict, autograph=False)
    traced = function.get_concrete_function(**input_specs(network))
    module.endpoints = {"predict": traced, "serving_default": traced}
    save_module(module, path)
