"""A model's predictions as a SavedModel, which TensorFlow runs alone."""

from __future__ import annotations

import operator
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
from bnn.prediction.functions import check_num_samples
from bnn.predictive.export_lite import write_lite_sampler
from bnn.predictive.export_scaling import Map, recalibration
from bnn.predictive.fitted import check_level
from bnn.predictive.pruned import PrunedDraws
from bnn.sites import sites


def export(
    model: keras.Model,
    path: str | Path,
    likelihood: Likelihood | None = None,
    *,
    level: float = 0.95,
    prune: float = 0.0,
    num_samples: int = 32,
    seed: int = 0,
    calibration: Any = None,
    **units: Any,
) -> None:
    """Writes a SavedModel that samples and predicts without bnn, with the posterior's own noise.

    Its signatures take and give tensors by name:

    - `sample(inputs, seed, first, count)` → `outputs` `[count, B, …]`: functions first …
      first + count − 1 of `bnn.predict(model, inputs, …, seed, jit_compile=False)`, bit for bit
      with the same TensorFlow, switches and kind of processor, else to rounding;
    - `predict(inputs, seed, num_samples)` → float64 `mean` (of classes their probabilities
      `[B, C]`), `total`, `aleatoric`, `epistemic` as of `bnn.predictive`, and of numbers `lower`
      and `upper`, the central interval's ends; with a `calibration` also `calibrated_mean`, the
      recalibrated probabilities. All samples are in memory: call it on batches;
    - `serving_default(inputs)`: the same with the `num_samples` and the `seed` given here, so that
      every input has an axis of examples, as TensorFlow Serving's clients expect it.

    To a path that ends in `.tflite`: a LiteRT file in LiteRT's own operations, with the one
    signature `serving_default(inputs, seed, number)` → `outputs` `[B, …]` of function `number` of
    `bnn.predict`; of a seed of 32 bits, to rounding. Nothing is pruned or averaged there.

    `seed` is int64, the other numbers int32 scalars. Several inputs are named as the model's
    `keras.Input`s. The random numbers are made by TensorFlow's operations, in part compiled by
    XLA, which a server needs to have.

    Args:
      model: built, with known inputs and one output; or a `bnn.BayesianModel`, with its likelihood.
      path: of the new folder; nothing may be there.
      likelihood: p(y | outputs), built; None for a model that has one.
      level: of the interval.
      num_samples: S of `serving_default`.
      seed: of `serving_default`.
      prune: share of the weights, those of lowest |μ|/σ, that are 0 with certainty and not
        stored: of mean-field normal posteriors, three numbers are stored for each that is kept.
      calibration: a fitted `TemperatureScaling`, `VectorScaling` or `MatrixScaling`, or a
        `Calibration` with one, whose conformal sets are not exported; it is right for the number
        of samples and the seed that it was fitted with: give these as `num_samples` and `seed`.
      **units: `loc` and `scale` of regression targets, for results in their own units.

    Raises:
      FileExistsError: something is at the path.
      ValueError: no likelihood, several outputs, unknown inputs, nothing random, or an unusable
        `prune` or `calibration`.
    """
    path, level = Path(path), check_level(level)
    network, likelihood = model_and_likelihood(model, likelihood)
    require_new(path)
    recalibrated = recalibration(calibration, network, likelihood)
    if path.suffix == ".tflite":
        _require_plain(prune, {**units, "calibration": calibration})
        module = tf.Module()
        module.kept = [variable.value for variable in network.variables]
        write_lite_sampler(network, input_specs(network), _structure(network), path, module)
        return
    served = check_num_samples(num_samples), operator.index(seed)
    pruned = PrunedDraws(network, prune) if prune else None
    exported = _Exported(network, likelihood, level, pruned, units, served, recalibrated)
    save_module(exported, path)


def _require_plain(prune: float, units: dict[str, Any]) -> None:
    """ValueError for what a LiteRT file of outputs cannot hold."""
    if prune or any(unit is not None for unit in units.values()):
        raise ValueError(
            "a .tflite file holds the outputs of the whole posterior, got prune, calibration or "
            "units; leave them out, or export to a folder."
        )


def require_new(path: Path) -> None:
    """FileExistsError where something is at the path."""
    if path.exists():
        raise FileExistsError(f"path must be a new folder, but {path} exists; name another.")


def save_module(module: Any, path: Path) -> None:
    """Writes a module with its `endpoints` as signatures beside the path, and renames it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        tf.saved_model.save(module, str(temporary), signatures=module.endpoints)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Exported(tf.Module):
    """The traced signatures, and the variables that they read."""

    def __init__(
        self,
        model: keras.Model,
        likelihood: Likelihood,
        level: float,
        pruned: PrunedDraws | None,
        units: dict[str, Any],
        served: tuple[int, int],
        recalibrated: Map | None,
    ) -> None:
        super().__init__()
        named = input_specs(model)
        functions = Draws(1, 0) if pruned is None else pruned
        types = output_types(model, functions, None)

        def outputs(arguments: dict[str, Any], first: Any, count: Any) -> tf.Tensor:
            flat = [arguments[name] for name in named]
            rows = keras.tree.pack_sequence_as(_structure(model), flat)
            seed = arguments["seed"]
            own = seed if pruned is None else pruned.with_seed(seed)
            return sampler(lambda: model, functions, types, count)(rows, own, first)

        def sample(**arguments: Any) -> dict[str, tf.Tensor]:
            first, count = arguments["first"], arguments["count"]
            return {"outputs": outputs(arguments, first, count)}

        def predict(**arguments: Any) -> dict[str, tf.Tensor]:
            samples = outputs(arguments, tf.constant(0), arguments["num_samples"])
            said = said_of(likelihood.predictive(samples, **units), level)
            if recalibrated is not None:
                said["calibrated_mean"] = recalibrated(said["mean"])
            return said

        seed = {"seed": tf.TensorSpec([], tf.int64, name="seed")}
        self.endpoints = {
            "sample": _traced(sample, {**named, **seed}, "first", "count"),
            "predict": _traced(predict, {**named, **seed}, "num_samples"),
        }

        def serve(**inputs: Any) -> dict[str, tf.Tensor]:
            count, chosen = tf.constant(served[0]), tf.constant(served[1], tf.int64)
            return self.endpoints["predict"](**inputs, seed=chosen, num_samples=count)

        self.endpoints["serving_default"] = _traced(serve, named)
        gone = {id(variable) for variable in (pruned.replaced if pruned else ())}
        everything = [*model.variables, *likelihood.variables]
        self.kept = [variable.value for variable in everything if id(variable) not in gone]
        self.sparse = [] if pruned is None else pruned.kept


def input_specs(model: keras.Model) -> dict[str, tf.TensorSpec]:
    """The model's inputs by name; `inputs` where there is one."""
    named = {x.name: tf.TensorSpec(x.shape, x.dtype, name=x.name) for x in model.inputs}
    if len(named) == 1:
        [spec] = named.values()
        named = {"inputs": tf.TensorSpec(spec.shape, spec.dtype, name="inputs")}
    return named


def _traced(function: Callable[..., Any], specs: dict[str, Any], *numbers: str) -> Any:
    scalars = {name: tf.TensorSpec([], tf.int32, name=name) for name in numbers}
    return tf.function(function, autograph=False).get_concrete_function(**specs, **scalars)


def said_of(mixture: Any, level: float) -> dict[str, tf.Tensor]:
    """Mean, uncertainties and, of numbers, the interval."""
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


def model_and_likelihood(model: Any, likelihood: Any) -> tuple[keras.Model, Likelihood]:
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
