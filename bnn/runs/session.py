"""One run's parts, and what they make together: steps, state, checkpoints."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import keras

from bnn.data import Batches, Dataset
from bnn.data.training_batches import is_streamed
from bnn.methods import GradientNoiseProbe, Method, Problem
from bnn.runs.folder import Identity, RunFolder, arguments_text
from bnn.sites import sites
from bnn.training import (
    Averages,
    Checkpoints,
    Plan,
    ReplicatedSteps,
    Strategy,
    TrainingSteps,
)


@dataclasses.dataclass
class Session:
    """A prepared run.

    Attributes:
      folder: where everything goes.
      identity: what the run is.
      data: the data set.
      method: built.
      plan: the steps.
      strategy: the replicas, in whose scope the variables were created.
      num_predict_samples: S of the test metrics.
      num_outputs: numbers that the model gives for one input.
      steps_per_call: most steps in one compiled call.
      probe: measures the gradient noise of several estimators at every report, or None.
      keep_checkpoints: newest checkpoints kept.
      save_seconds: between two checkpoints.
    """

    folder: RunFolder
    identity: Identity
    data: Dataset
    method: Method
    plan: Plan
    strategy: Strategy
    num_predict_samples: int
    num_outputs: int
    steps_per_call: int
    probe: GradientNoiseProbe | None
    keep_checkpoints: int
    save_seconds: float

    @property
    def problem(self) -> Problem:
        """The method's."""
        return self.method.problem

    @functools.cached_property
    def batches(self) -> Batches:
        """Of the training part, resident or streamed; of what is streamed, this worker's share."""
        workers = self.strategy.workers
        given: dict[str, Any] = {"batch_size": self.plan.batch_size, "seed": self.problem.seed}
        if workers.count > 1 and is_streamed(self.data):
            given["share"] = workers.index, workers.count
        return self.data.batches(**given)

    def rest(self) -> None:
        """Ends what reads training examples ahead, where something does."""
        if "batches" in self.__dict__:  # else nobody has asked for them yet
            self.batches.rest()

    def training_steps(self) -> TrainingSteps:
        """The compiled steps, on one device or on all replicas."""
        problem = self.problem
        calls: dict[str, Any] = {
            "steps_per_call": min(
                self.steps_per_call, self.plan.longest_interval, self.batches.most_steps
            ),
            "jit_compile": problem.jit_compile,
        }
        if self.strategy.num_replicas == 1:
            return TrainingSteps(self.method, self.batches, problem.seed, **calls)
        parts = self.state()
        changed = [v for name in ("model", "likelihood", "method") for v in parts[name]]
        return ReplicatedSteps(
            self.method, self.batches, problem.seed, changed, self.strategy, **calls
        )

    def state(self) -> dict[str, list[keras.Variable]]:
        """All variables that a step changes, by part."""
        optimizer = self.problem.optimizer
        return {
            "model": list(self.problem.model.variables),
            "likelihood": list(self.problem.likelihood.variables),
            "optimizer": list(optimizer.variables) if optimizer is not None else [],
            "method": list(self.method.variables),
        }

    def averages(self) -> Averages:
        """Of the metrics that a report has the mean of."""
        return Averages(self.method.averaged)

    def checkpoints(
        self, averages: Averages, *, same_run: bool = True, same_noise: bool = True
    ) -> Checkpoints:
        """The run's checkpoints.

        Args:
          averages: part of the state.
          same_run: a checkpoint's configuration must be this run's.
          same_noise: a checkpoint must be of the strategy's noise layout.
        """
        about: dict[str, Any] = self.strategy.describe() if same_noise else {}
        if same_run:
            about["configuration"] = self.configuration
        parts = {**self.state(), "averages": [averages.variable]}
        return Checkpoints(
            self.folder.checkpoints,
            parts,
            self.keep_checkpoints,
            about,
            archive=self.method.archive,
            before_save=lambda: self.folder.keep(self.identity),
        )

    @property
    def configuration(self) -> str:
        """What all parts of the run have in common, as text."""
        texts = (
            self.folder.same_run(self.identity.config),
            arguments_text(self.identity.arguments),
        )
        return "\n".join(text for text in texts if text)

    def trained(self) -> dict[str, keras.Variable]:
        """The trained variables by name: the variables of site `n_class/site` carry its name."""
        owners = {}
        for name, site in sites(self.problem.model).items():
            for part in (site.posterior, site.prior):
                for variable in _variables(part):
                    owners[id(variable)] = f"{name} ({variable.name})"
        return {
            owners.get(id(variable), f"{variable.path} [{position}]"): variable
            for position, variable in enumerate(self.method.trained)
        }

    def groups(self) -> Mapping[str, list[keras.Variable]]:
        """The trained variables by site."""
        groups: dict[str, list[keras.Variable]] = {}
        for name, variable in self.trained().items():
            groups.setdefault(name.partition(" ")[0], []).append(variable)
        return groups


def _variables(part: Any) -> list[keras.Variable]:
    """Of a posterior or prior, by its public list where it has one."""
    public = getattr(part, "variables", None)
    if public is not None:
        return list(public)
    return [v for v in vars(part).values() if isinstance(v, keras.Variable)]
