"""A model's predictions as a SavedModel, which TensorFlow runs alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bnn.likelihoods import ClassMixture, Likelihood
from bnn.prediction import Draws
from bnn.prediction.compiled import output_types, sampler
from bnn.predictive.fitted import check_level
from bnn.sites import sites


def export(
    model: keras.Model,
    path: str | Path,
    likelihood: Likelihood | None = None,
    *,
    level: float = 0.95,
    **units: Any,
) -> None:
    """Writes a SavedModel that samples and predicts without bnn, with the posterior's own noise.

    Its signatures take and give tensors by name:

    - `sample(inputs, seed, first, count)` → `outputs` `[count, B, …]`: functions first …
      first + count − 1 of `bnn.predict(model, inputs, …, seed, jit_compile=False)`, bit for bit
      with the same TensorFlow, switches and kind of processor, else to rounding;
    - `predict(inputs, seed, num_samples)`, which is `serving_default` too → float64 `mean` (of
      classes their probabilities `[B, C]`), `total`, `aleatoric`, `epistemic` as of
      `bnn.predictive`, and of numbers `lower` and `upper`, the central interval's ends. All samples
      are in memory: call it on batches.

    `seed` is int64, the other numbers int32 scalars. Several inputs are named as the model's
    `keras.Input`s. The random numbers are made by TensorFlow's operations, in part compiled by
    XLA, which a server needs to have.

    Args:
      model: built, with known inputs and one output; or a `bnn.BayesianModel`, with its likelihood.
      path: of the new folder; nothing may be there.
      likelihood: p(y | outputs), built; None for a model that has one.
      level: of the interval.
      **units: `loc` and `scale` of regression targets, for results in their own units.

    Raises:
      FileExistsError: something is at the path.
      ValueError: no likelihood, several outputs, unknown inputs, or nothing random.
    """
    path, level = Path(path), check_level(level)
    network, likelihood = _parts(model, likelihood)
    if path.exists():
        raise FileExistsError(f"path must be a new folder, but {path} exists; name another.")
    module = _Exported(network, likelihood, level, units)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        tf.saved_model.save(module, str(temporary), signatures=module.endpoints)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Exported(tf.Module):
    """The traced signatures, and the variables that they read."""

    def __init__(
        self, model: keras.Model, likelihood: Likelihood, level: float, units: dict[str, Any]
    ) -> None:
        super().__init__()
        named = {x.name: tf.TensorSpec(x.shape, x.dtype, name=x.name) for x in model.inputs}
        if len(named) == 1:
            [spec] = named.values()
            named = {"inputs": tf.TensorSpec(spec.shape, spec.dtype, name="inputs")}
        functions = Draws(1, 0)
        types = output_types(model, functions, None)

        def outputs(arguments: dict[str, Any], first: Any, count: Any) -> tf.Tensor:
            flat = [arguments[name] for name in named]
            rows = keras.tree.pack_sequence_as(_structure(model), flat)
            return sampler(lambda: model, functions, types, count)(rows, arguments["seed"], first)

        def sample(**arguments: Any) -> dict[str, tf.Tensor]:
            first, count = arguments["first"], arguments["count"]
            return {"outputs": outputs(arguments, first, count)}

        def predict(**arguments: Any) -> dict[str, tf.Tensor]:
            samples = outputs(arguments, tf.constant(0), arguments["num_samples"])
            return _said(likelihood.predictive(samples, **units), level)

        seed = {"seed": tf.TensorSpec([], tf.int64, name="seed")}
        self.endpoints = {
            "sample": _traced(sample, {**named, **seed}, "first", "count"),
            "predict": _traced(predict, {**named, **seed}, "num_samples"),
        }
        self.endpoints["serving_default"] = self.endpoints["predict"]
        everything = [*model.variables, *likelihood.variables]
        self.kept = [variable.value for variable in everything]


def _traced(function: Callable[..., Any], specs: dict[str, Any], *numbers: str) -> Any:
    scalars = {name: tf.TensorSpec([], tf.int32, name=name) for name in numbers}
    return tf.function(function, autograph=False).get_concrete_function(**specs, **scalars)


def _said(mixture: Any, level: float) -> dict[str, tf.Tensor]:
    total = mixture.total() if isinstance(mixture, ClassMixture) else mixture.variance()
    said = {
        "mean": mixture.mean(),
        "total": total,
        "aleatoric": mixture.aleatoric(),
        "epistemic": mixture.epistemic(),
    }
    if not isinstance(mixture, ClassMixture):
        said["lower"], said["upper"] = mixture.interval(level)
    return said


def _structure(model: keras.Model) -> Any:
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _parts(model: Any, likelihood: Any) -> tuple[keras.Model, Likelihood]:
    """The network and its likelihood, checked."""
    own = getattr(model, "likelihood", None)
    if likelihood is None and isinstance(own, Likelihood):
        model, likelihood = model.network, own
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            f"likelihood must be a likelihood object, got {likelihood!r}; pass for example "
            "bnn.likelihoods.Categorical(), or a bnn.BayesianModel, which has one."
        )
    outputs = getattr(model, "outputs", None) or []
    if not outputs or not getattr(model, "inputs", None):
        raise ValueError(
            f"model {model.name!r} does not say its inputs and outputs, got a subclassed one; make "
            "it functional: keras.Model(inputs, model(inputs)) with inputs = keras.Input(…)."
        )
    if len(outputs) > 1:
        raise ValueError(
            f"model {model.name!r} must have one output, got {len(outputs)}; export a model of "
            "each."
        )
    if not sites(model):
        raise ValueError(
            f"model {model.name!r} has nothing random; convert it with bnn.convert, or use its own "
            "model.export(path)."
        )
    return model, likelihood
