"""One run from its first step to its results."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.data import Dataset, batch_indices
from bnn.inference import GradientNoiseProbe, Method, Problem, headline
from bnn.run_figures import draw_figures
from bnn.run_predictions import write_predictions
from bnn.run_results import final_results, summary, write_ledger
from bnn.sites import sites
from bnn.tracking import RunInfo, Tracker, read_jsonl
from bnn.training import (
    Averages,
    Checkpoints,
    OneDevice,
    Plan,
    ReplicatedSteps,
    RunFolder,
    Strategy,
    TrainingSteps,
    fit,
    model_files,
    write_json,
)

# Training examples that stand in for a validation part where there is none.
_TRAIN_SUBSET = 1000
# Weight samples of the metrics while training; the final ones use `num_predict_samples`.
_REPORT_SAMPLES = 8


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
      steps_per_call: most steps in one compiled call.
      probe: measures the gradient noise of several estimators at every report, or None.
      strategy: the replicas, in whose scope the problem's variables were created.
      keep_checkpoints: newest checkpoints kept.
      save_seconds: between two checkpoints.
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
    strategy: Strategy = dataclasses.field(default_factory=OneDevice)
    keep_checkpoints: int = 3
    save_seconds: float = 60.0

    def run(self, config: str, trackers: Tracker) -> dict[str, Any]:
        """Trains from the start or the newest checkpoint, evaluates, and writes the results."""
        workers = self.strategy.workers
        steps = self.training_steps()
        averages = Averages()
        state = self.state()
        checkpoints = self.checkpoints(averages, self.folder.same_run(config))
        resumed = self._restore(checkpoints, averages, state)
        earlier = self._seconds_before(resumed) if workers.is_chief else 0.0
        trackers.start(self._run_info(config, resumed))
        started = time.monotonic() - earlier

        def report(step: int, values: dict[str, float]) -> float | None:
            if not workers.is_chief:
                return None
            values = {
                "epoch": self.plan.epoch(step),
                "seconds": time.monotonic() - started,
                **values,
                **self._progress_metrics(),
                **self._probe_metrics(steps, step),
            }
            trackers.log(step, values)
            return self._score(values)

        results: dict[str, Any] = {}
        try:
            fit(
                steps,
                self.plan,
                state=state,
                trained=self.trained(),
                checkpoints=checkpoints,
                averages=averages,
                first_step=resumed or 0,
                report=report,
                workers=workers,
                save_seconds=self.save_seconds,
            )
            if not workers.is_chief:
                workers.sum([0])  # the chief's evaluation
                trackers.finish(results)
                return results
            train_seconds = time.monotonic() - started
            results, samples = self._results(train_seconds)
            results["best_checkpoint"] = _best(checkpoints)
            write_predictions(self.folder.path, self.problem.likelihood, samples, self.data)
            records = read_jsonl(self.folder.metrics)
            figures = draw_figures(
                self.folder.figures, records, self.problem.likelihood, samples, self.data
            )
            results["ledger"] = write_ledger(self.folder.path, self.problem, records)
            results["seconds"]["total"] = round(time.monotonic() - started, 3)
            write_json(self.folder.results, results)
            for name, path in figures.items():
                trackers.figure(name, path, self.plan.total_steps)
            trackers.artifact("checkpoint", model_files(self.folder))
            workers.sum([0])
        except BaseException:
            trackers.finish(results, failed=True)
            raise
        trackers.finish(summary(results, self.folder.path))
        return results

    def training_steps(self) -> TrainingSteps | ReplicatedSteps:
        """The compiled steps, on one device or on all replicas."""

        def loss(
            inputs: tf.Tensor,
            targets: tf.Tensor,
            step: tf.Tensor,
            replica: Any = 0,
            example_offset: Any = 0,
        ) -> Any:
            if self.strategy.num_replicas == 1:  # so that other methods need not know of replicas
                return self.method.loss(self.problem, inputs, targets, step)
            place = {"replica": replica, "example_offset": example_offset}
            return self.method.loss(self.problem, inputs, targets, step, **place)

        def indices(steps: tf.Tensor) -> tf.Tensor:
            return batch_indices(
                steps,
                batch_size=self.plan.batch_size,
                num_train=self.plan.num_train,
                seed=self.problem.seed,
            )

        data = (loss, indices, self.data.x_train, self.data.y_train)
        trained = self.problem.trained
        calls: dict[str, Any] = {
            "steps_per_call": min(self.steps_per_call, self.plan.longest_interval),
            "jit_compile": self.problem.jit_compile,
        }
        if self.strategy.num_replicas == 1:
            return TrainingSteps(*data, self.optimizer, trained, **calls)
        parts = self.state()
        changed = [v for name in ("model", "likelihood", "method") for v in parts[name]]
        taken = {id(v) for v in trained}
        others = [v for v in changed if id(v) not in taken]
        return ReplicatedSteps(*data, self.optimizer, trained, others, self.strategy, **calls)

    def state(self) -> dict[str, list[keras.Variable]]:
        """All variables that a step changes, by part."""
        return {
            "model": list(self.problem.model.variables),
            "likelihood": list(self.problem.likelihood.variables),
            "optimizer": list(self.optimizer.variables),
            "method": self.method.variables(self.problem),
        }

    def checkpoints(self, averages: Averages, config: str | None = None) -> Checkpoints:
        """The run's checkpoints; to be made after the steps, which build the optimizer.

        Args:
          averages: part of the state.
          config: what a checkpoint's configuration must be; any will do where None.
        """
        about = self.strategy.describe()
        if config is not None:
            about["configuration"] = config
        parts = {**self.state(), "averages": [averages.variable]}
        return Checkpoints(self.folder.checkpoints, parts, self.keep_checkpoints, about)

    def _restore(
        self,
        checkpoints: Checkpoints,
        averages: Averages,
        state: Mapping[str, Sequence[keras.Variable]],
    ) -> int | None:
        """Restores the newest checkpoint on all workers; its step, or None for a new run."""
        workers = self.strategy.workers
        resumed = None
        if workers.is_chief:
            checkpoints.sweep()
            resumed = checkpoints.restore()
            if resumed is None and self.folder.metrics.exists():
                resumed = 0  # ended before its first checkpoint: the same run from its start
        (place,) = workers.from_chief([-1 if resumed is None else resumed])
        own = [*checkpoints.own_variables, averages.variable]
        workers.broadcast([*(v for part in state.values() for v in part), *own])
        return None if place < 0 else place

    def _score(self, values: Mapping[str, float]) -> float:
        """What the best checkpoint has the least of, nats per example.

        The validation part's NLL; without one the training's negative ELBO with the whole KL, which
        a KL weight that rises does not shift.
        """
        if "valid_nll" in values:
            return values["valid_nll"]
        return values["nll"] + values["kl"] / self.data.num_train

    def trained(self) -> dict[str, keras.Variable]:
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
        values = headline(self.problem.likelihood, shown, targets, self.data)
        if not finite:  # the loss, where it follows, says at which step and site
            values = dict.fromkeys(values, math.nan)
        if part == "valid":
            return {f"valid_{name}": value for name, value in values.items()}
        del values["nll"]  # the name of the objective's own term, which is there already
        return values

    def _probe_metrics(self, steps: TrainingSteps | ReplicatedSteps, step: int) -> dict[str, float]:
        report = self.plan.report_steps.index(step) + 1  # not a count, which resuming would break
        if self.probe is None or not self.probe.due(report):
            return {}
        groups: dict[str, list[keras.Variable]] = {}
        for name, variable in self.trained().items():
            groups.setdefault(name.partition(" ")[0], []).append(variable)
        inputs, targets = steps.batch(step)
        return self.probe.measure(self.method, self.problem, groups, inputs, targets, step)

    def _results(self, train_seconds: float) -> tuple[dict[str, Any], tf.Tensor]:
        started = time.monotonic()
        samples = self._predict(self.data.x_test, self.num_predict_samples)
        results = final_results(self.problem, self.method, self.data, samples)
        spent = {"train": train_seconds, "evaluate": time.monotonic() - started}
        results["seconds"] = {name: round(value, 3) for name, value in spent.items()}
        return results, samples


def _best(checkpoints: Checkpoints) -> dict[str, float] | None:
    """Step and score of the best checkpoint, for the results."""
    if checkpoints.best is None:
        return None
    step, score = checkpoints.best
    return {"step": step, "score": score}


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
