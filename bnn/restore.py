"""The trained model of a run's folder, ready to predict."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gin
import numpy as np
import tensorflow as tf

from bnn import experiment
from bnn.data import Dataset
from bnn.inference import Method, Problem, VariationalInference
from bnn.training import Plan, RunFolder


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A run's data, method and problem, with the variables of its newest checkpoint.

    Attributes:
      folder: of the run.
      data: the data set it was trained on.
      problem: model, likelihood and estimator.
      method: inference method.
      step: of the checkpoint.
      num_predict_samples: S of the run's test metrics.
      results: what `results.json` holds; None for a run that has not ended.
    """

    folder: Path
    data: Dataset
    problem: Problem
    method: Method
    step: int
    num_predict_samples: int
    results: dict[str, Any] | None

    def predict(
        self, inputs: np.ndarray, num_samples: int | None = None, seed: int | None = None
    ) -> tf.Tensor:
        """Outputs of functions from the posterior, `[S, B, …]`.

        With the defaults these are the functions of the run's own test metrics: the same numbers.

        Args:
          inputs: `[B, …]`, prepared as the run's own (`data.prepare_inputs`).
          num_samples: S; the run's own where None.
          seed: of the functions; the run's own where None.
        """
        return self.method.predict(
            self.problem,
            inputs,
            self.num_predict_samples if num_samples is None else num_samples,
            self.problem.seed if seed is None else seed,
        )


def restore(folder: str | Path, unfinished: bool = False) -> TrainedRun:
    """Builds what the run's `config.gin` describes and loads its newest checkpoint.

    Gin's current bindings are put aside meanwhile. Modules with configurables of your own must
    have been imported, as for the run itself. Nothing is written.

    Args:
      folder: of the run.
      unfinished: take the newest checkpoint of a run that has not ended, too.

    Raises:
      FileNotFoundError: the folder holds no run, or no checkpoint of it.
      ValueError: the run has not ended, or the checkpoint is of another model than the
        configuration describes.
    """
    files = RunFolder(folder)
    if not files.config.exists():
        raise FileNotFoundError(
            f"{files.path} must be the folder of a run, but holds no {files.config.name}; name "
            "what was given as --workdir."
        )
    results = json.loads(files.results.read_text()) if files.results.exists() else None
    if results is None and not unfinished:
        raise ValueError(
            f"the run in {files.path} must have ended, but has no {files.results.name}; start its "
            "command again, or pass unfinished=True."
        )
    with _configuration(files.config.read_text()):
        arguments = _arguments()
        problem = _problem(arguments)
    method = arguments["method"] or VariationalInference()
    return TrainedRun(
        folder=files.path,
        data=arguments["data"],
        problem=problem,
        method=method,
        step=_load(files, problem, method),
        num_predict_samples=arguments["num_predict_samples"],
        results=results,
    )


def _arguments() -> dict[str, Any]:
    """The arguments of `bnn.experiment.run` under gin's configuration, as built objects."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(experiment.run).parameters.items()
    }
    for unneeded in ("tracker", "strategy"):
        gin.bind_parameter(f"bnn.experiment.run.{unneeded}", None)
    return defaults | gin.get_bindings("bnn.experiment.run")


def _problem(arguments: dict[str, Any]) -> Problem:
    """Model and likelihood as the run built them, with initial values."""
    data = arguments["data"]
    plan = Plan(
        data.num_train, arguments["batch_size"], arguments["epochs"], arguments["report_every"]
    )
    return experiment.build_problem(
        data=data,
        model=arguments["model"],
        likelihood=arguments["likelihood"],
        estimator=arguments["estimator"],
        plan=plan,
        seed=arguments["seed"],
        jit_compile=arguments["jit_compile"],
    )


@contextlib.contextmanager
def _configuration(config: str) -> Iterator[None]:
    """Gin with this configuration alone; with its own again afterwards."""
    with gin.unlock_config():
        held = gin.config_str()
        gin.clear_config()
        try:
            gin.parse_config(config)
            yield
        finally:
            gin.clear_config()
            gin.parse_config(held)


def _load(files: RunFolder, problem: Problem, method: Method) -> int:
    """Gives the variables their trained values; the step of the checkpoint."""
    newest = tf.train.latest_checkpoint(str(files.checkpoints))
    if newest is None:
        raise FileNotFoundError(
            f"{files.path} must hold a checkpoint in {files.checkpoints.name}/, but has none; "
            "start the run's command again."
        )
    parts = {
        "model": [v.value for v in problem.model.variables],
        "likelihood": [v.value for v in problem.likelihood.variables],
        "method": [getattr(v, "value", v) for v in method.variables(problem)],
    }
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    checkpoint = tf.train.Checkpoint(step=step, **{n: part for n, part in parts.items() if part})
    try:
        checkpoint.read(newest).assert_existing_objects_matched().expect_partial()
    except (AssertionError, ValueError) as error:
        reason = re.sub(r"\s+", " ", str(error))[:300]
        raise ValueError(
            f"the checkpoint {newest} must hold the variables of the model that config.gin "
            f"describes, but does not ({reason}); use the version of bnn that made the run."
        ) from error
    return int(step.numpy())
