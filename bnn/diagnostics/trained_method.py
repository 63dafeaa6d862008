"""A method on the conjugate regression: built, trained, saved and continued as runs do it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.diagnostics.conjugate import ConjugateRegression
from bnn.methods import Method
from bnn.noise import Noise
from bnn.posteriors import Posterior
from bnn.prediction import Functions, predict
from bnn.training import Checkpoints, History, Info, TrainingSteps
from bnn.training.stepper import identity

_STEPS_PER_CALL = 1000


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is built, as often as it is needed.

    Attributes:
      regression: the problem.
      method: unbuilt; each build has a copy.
      posterior: of the weights.
      optimizer: unbuilt; each build has a copy. None for methods without.
      num_steps: of the whole training.
      batch_size: B.
      seed: of noise and order.
      jit_compile: of the steps.
    """

    regression: ConjugateRegression
    method: Method | Callable[[], Method]
    posterior: Posterior
    optimizer: keras.optimizers.Optimizer | None
    num_steps: int
    batch_size: int
    seed: int
    jit_compile: bool

    def build(self, start: int = 0) -> TrainedMethod:
        """A fresh build, with initial values of its own."""
        made = self.method
        method = copy.deepcopy(made) if isinstance(made, Method) else made()
        optimizer = self.optimizer
        if optimizer is not None:
            optimizer = type(optimizer).from_config(optimizer.get_config())
        problem = self.regression.problem(
            self.posterior,
            start,
            total_steps=self.num_steps,
            seed=self.seed,
            optimizer=optimizer,
            jit_compile=self.jit_compile,
        )
        method.build(problem)
        return TrainedMethod(self, method)


class TrainedMethod:
    """One build of a method, and its training so far.

    Attributes:
      method: built.
      histories: what the compiled calls said, in order.
    """

    def __init__(self, recipe: Recipe, method: Method) -> None:
        self.recipe, self.method = recipe, method
        self.batches = recipe.regression.batches(recipe.batch_size, recipe.seed)
        self.histories: list[History] = []
        self.own = list(method.variables)  # created here, not while a graph is traced
        # A call names the examples of as many steps as it could take.
        between = _STEPS_PER_CALL if method.archive is None else method.archive.every
        self._steps = TrainingSteps(
            method,
            self.batches,
            recipe.seed,
            steps_per_call=min(_STEPS_PER_CALL, between, recipe.num_steps),
            jit_compile=recipe.jit_compile,
        )

    def run(self, first: int, last: int) -> None:
        """Steps first, …, last − 1, with the archive's notes between them."""
        archive = self.method.archive
        step = first
        while step < last:
            end = min(last, step + self._steps.steps_per_call)
            if archive is not None:
                end = min(end, archive.next_after(step))
            self.histories.append(self._steps(step, end - step))
            step = end
            if archive is not None:
                archive.note(step)

    def finish(self) -> None:
        """What the method does after training."""
        self.method.finish(self.batches)

    def said(self, step: int) -> Info:
        """One step, taken eagerly."""
        noise = Noise(self.recipe.seed, tf.constant(step, tf.int64))
        return self.method.step(self.batches.at(step), noise, identity)

    def loss_of_weighted(self, step: int, weight: float) -> float:
        """The loss of a step's batch whose examples all have this weight; no state changes."""
        batch = self.batches.at(step)
        weights = tf.fill([len(batch.targets)], weight)
        noise = Noise(self.recipe.seed, tf.constant(step, tf.int64))
        return float(self.method.loss(batch._replace(weights=weights), noise, training=False).loss)

    def state(self) -> dict[str, list[keras.Variable]]:
        """All variables that a step changes, by part: what a run's checkpoint has."""
        problem = self.method.problem
        return {
            "model": list(problem.model.variables),
            "likelihood": list(problem.likelihood.variables),
            "optimizer": list(problem.optimizer.variables) if problem.optimizer else [],
            "method": list(self.own),
        }

    def values(self) -> list[np.ndarray]:
        """The state's and the archive's values."""
        archive = self.method.archive
        noted = [] if archive is None else [v for entry in archive.entries for v in entry]
        return [*(v.numpy() for part in self.state().values() for v in part), *noted]

    def checkpoints(self, folder: Path) -> Checkpoints:
        """Of state and archive."""
        return Checkpoints(folder, self.state(), archive=self.method.archive)

    def weights(self, num_samples: int, jit_compile: bool = False) -> np.ndarray:
        """The weights of the method's functions, `[S, D]`: their outputs at the unit vectors."""
        return self.weights_of(self.method.functions(num_samples, self.recipe.seed), jit_compile)

    def weights_of(self, functions: Functions, jit_compile: bool = False) -> np.ndarray:
        """The weights of functions, `[S, D]`; XLA is worth its compilation for many."""
        outputs: Any = predict(
            self.method.problem.model,
            np.eye(self.recipe.regression.num_weights, dtype=np.float32),
            functions.num_samples,
            functions=functions,
            jit_compile=jit_compile,
        )
        return np.asarray(outputs, np.float64)[..., 0]
