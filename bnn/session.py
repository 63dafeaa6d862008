"""One run from its first step to its results."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.data import Dataset, batch_indices
from bnn.diagnostics import ledger_report
from bnn.inference import GradientNoiseProbe, Method, Problem, evaluate, headline
from bnn.kl import ledger, sites
from bnn.provenance import git_revision, versions
from bnn.run_figures import draw_figures
from bnn.run_predictions import write_predictions
from bnn.tracking import Console, RunInfo, Tracker, read_jsonl
from bnn.training import (
    Averages,
    Checkpoints,
    Plan,
    RunFolder,
    TrainingSteps,
    fit,
    model_files,
    write_json,
    write_text,
)

# Training examples that stand in for a validation part where there is none.
_TRAIN_SUBSET = 1000
# Weight samples of the metrics while training; the final ones use `num_predict_samples`.
_REPORT_SAMPLES = 8
_FINAL_KL_SAMPLES = 32


@dataclasses.dataclass
class Session:
    """A run: its parts, and the order in which things happen to them.

    Attributes:
      folder: where everything goes.
      data: the data set.
      problem: model, likelihood and estimator, built.
      method: inference method.
      optimizer: Keras optimizer.
      plan: the steps.
      num_predict_samples: S of the test metrics.
      steps_per_call: steps in one compiled call.
      probe: measures the gradient noise of several estimators at every report, or None.
    """

    folder: RunFolder
    data: Dataset
    problem: Problem
    method: Method
    optimizer: keras.optimizers.Optimizer
    plan: Plan
    num_predict_samples: int
    steps_per_call: int
    probe: GradientNoiseProbe | None = None

    def run(self, config: str, trackers: Tracker) -> dict[str, Any]:
        """Trains from the start or the newest checkpoint, evaluates, and writes the results."""
        steps = self._training_steps()
        averages = Averages()
        state = self._state()
        checkpoints = Checkpoints(
            self.folder.checkpoints, {**state, "averages": [averages.variable]}
        )
        resumed = checkpoints.restore()
        if resumed is None and self.folder.metrics.exists():
            resumed = 0  # ended before its first checkpoint: the same run from its start
        earlier = self._seconds_before(resumed)
        trackers.start(self._run_info(config, resumed))
        started = time.monotonic() - earlier

        def report(step: int, values: dict[str, float]) -> None:
            values = {
                "epoch": self.plan.epoch(step),
                "seconds": time.monotonic() - started,
                **values,
                **self._progress_metrics(),
                **self._probe_metrics(steps, step),
            }
            trackers.log(step, values)

        results: dict[str, Any] = {}
        try:
            fit(
                steps,
                self.plan,
                state=state,
                trained=self._trained(),
                checkpoints=checkpoints,
                averages=averages,
                first_step=resumed or 0,
                report=report,
            )
            train_seconds = time.monotonic() - started
            results, samples = self._results(train_seconds)
            write_predictions(self.folder.path, self.problem.likelihood, samples, self.data)
            records = read_jsonl(self.folder.metrics)
            figures = draw_figures(
                self.folder.figures, records, self.problem.likelihood, samples, self.data
            )
            self._report_ledger(results, records)
            results["seconds"]["total"] = round(time.monotonic() - started, 3)
            write_json(self.folder.results, results)
            for name, path in figures.items():
                trackers.figure(name, path, self.plan.total_steps)
            trackers.artifact("checkpoint", model_files(self.folder))
        except BaseException:
            trackers.finish(results, failed=True)
            raise
        trackers.finish(_summary(results, self.folder.path))
        return results

    def _report_ledger(self, results: dict[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        """Writes `ledger.md`, and adds the report to the results and its warnings to the log."""
        nll = records[-1]["nll"] if records else None
        report = ledger_report(self.problem.model, self.data.num_train, nll, self.problem.seed)
        write_text(self.folder.path / "ledger.md", str(report))
        results["ledger"] = dataclasses.asdict(report) | {
            "sites": [_finite(dataclasses.asdict(site)) for site in report.sites],
            "warnings": list(report.warnings),
        }
        for warning in report.warnings:
            logging.getLogger("absl").warning("%s", warning)

    def _training_steps(self) -> TrainingSteps:
        def loss(inputs: tf.Tensor, targets: tf.Tensor, step: tf.Tensor) -> Any:
            return self.method.loss(self.problem, inputs, targets, step)

        def indices(steps: tf.Tensor) -> tf.Tensor:
            return batch_indices(
                steps,
                batch_size=self.plan.batch_size,
                num_train=self.plan.num_train,
                seed=self.problem.seed,
            )

        return TrainingSteps(
            loss,
            indices,
            self.data.x_train,
            self.data.y_train,
            self.optimizer,
            self.problem.trained,
            steps_per_call=self.steps_per_call,
            jit_compile=self.problem.jit_compile,
        )

    def _state(self) -> dict[str, list[keras.Variable]]:
        return {
            "model": list(self.problem.model.variables),
            "likelihood": list(self.problem.likelihood.variables),
            "optimizer": list(self.optimizer.variables),
            "method": self.method.variables(self.problem),
        }

    def _trained(self) -> dict[str, keras.Variable]:
        """The trained variables by name: the variables of site `n_class/site` carry its name."""
        owners = {}
        for name, site in sites(self.problem.model).items():
            for part in (site.posterior, site.prior):
                for variable in vars(part).values():
                    if isinstance(variable, keras.Variable):
                        owners[id(variable)] = f"{name} ({variable.name})"
        return {
            owners.get(id(variable), f"{variable.path} [{position}]"): variable
            for position, variable in enumerate(self.problem.trained)
        }

    def _run_info(self, config: str, resumed: int | None) -> RunInfo:
        return RunInfo(
            workdir=self.folder.path,
            name=self.folder.path.name,
            config=config,
            config_values=_flat_config(),
            resumed_step=resumed,
        )

    def _seconds_before(self, resumed: int | None) -> float:
        """Seconds of training that the earlier parts of a resumed run took."""
        if resumed is None or not self.folder.metrics.exists():
            return 0.0
        spent = [r["seconds"] for r in read_jsonl(self.folder.metrics) if r["step"] <= resumed]
        return spent[-1] if spent else 0.0

    def _predict(self, inputs: np.ndarray, num_samples: int) -> tf.Tensor:
        return self.method.predict(self.problem, inputs, num_samples, self.problem.seed)

    def _progress_metrics(self) -> dict[str, float]:
        part = "valid" if self.data.num_valid else "train"
        inputs, targets = (a[:_TRAIN_SUBSET] for a in self.data.part(part))
        samples = self._predict(inputs, _REPORT_SAMPLES)
        finite = bool(tf.reduce_all(tf.math.is_finite(samples)))
        shown = samples if finite else tf.zeros_like(samples)
        values = headline(evaluate(self.problem.likelihood, shown, targets, self.data))
        if not finite:  # the loss, where it follows, says at which step and site
            values = dict.fromkeys(values, math.nan)
        if part == "valid":
            return {f"valid_{name}": value for name, value in values.items()}
        del values["nll"]  # the name of the objective's own term, which is there already
        return values

    def _probe_metrics(self, steps: TrainingSteps, step: int) -> dict[str, float]:
        report = self.plan.report_steps.index(step) + 1  # not a count, which resuming would break
        if self.probe is None or not self.probe.due(report):
            return {}
        groups: dict[str, list[keras.Variable]] = {}
        for name, variable in self._trained().items():
            groups.setdefault(name.partition(" ")[0], []).append(variable)
        inputs, targets = steps.batch(step)
        return self.probe.measure(self.method, self.problem, groups, inputs, targets, step)

    def _results(self, train_seconds: float) -> tuple[dict[str, Any], tf.Tensor]:
        started = time.monotonic()
        samples = self._predict(self.data.x_test, self.num_predict_samples)
        test = evaluate(self.problem.likelihood, samples, self.data.y_test, self.data)
        kl = {
            name: float(value)
            for name, value in ledger(
                self.problem.model,
                seed=self.problem.seed,
                step=self.plan.total_steps,
                num_samples=_FINAL_KL_SAMPLES,
            ).items()
        }
        results = {
            "data": self.data.name,
            "test": test,
            "num_predict_samples": self.num_predict_samples,
            **self.method.describe(),
            "estimator": self.problem.estimator.describe(),
            "kl": {"total": sum(kl.values()), **kl},
            "num_train": self.data.num_train,
            "num_test": self.data.num_test,
            "num_parameters": self.problem.model.count_params(),
            "steps": self.plan.total_steps,
            "seed": self.problem.seed,
            "seconds": {
                "train": round(train_seconds, 3),
                "evaluate": round(time.monotonic() - started, 3),
            },
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "versions": versions(),
            "git_revision": git_revision(),
        }
        return results, samples


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with infinities, which JSON lacks, as None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def show_finished(path: Path, results: Mapping[str, Any]) -> None:
    """Shows the results of a run that has ended already."""
    logging.getLogger("absl").warning(
        "workdir %s holds this very run, finished: nothing was repeated.", path
    )
    console = Console()
    console.start(RunInfo(workdir=path, name=path.name))
    console.finish(_summary(results, path))


def _summary(results: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a person wants to see of the results."""
    names = ("data", "method", "posterior", "estimator", "num_predict_samples", "steps", "seed")
    summary: dict[str, Any] = {name: results[name] for name in names if name in results}
    summary |= {f"test {name}": value for name, value in results["test"].items()}
    summary["KL, nats"] = results["kl"]["total"]
    summary["seconds of training"] = results["seconds"]["train"]
    summary["files"] = str(path)
    return summary


def _flat_config() -> dict[str, Any]:
    """The operative gin bindings as a flat mapping of JSON values."""
    flat: dict[str, Any] = {}
    name = ""
    for line in gin.operative_config_str().splitlines():
        if line.startswith(" ") and name:  # a long value goes on below its name
            flat[name] = f"{flat[name]} {line.strip()}".strip()
            continue
        name, separator, value = line.partition(" = ")
        if separator and not line.startswith("#"):
            flat[name] = value.strip().removesuffix("\\")
        else:
            name = ""
    return flat
