"""What samplers of weights share: the log joint, a start by descent, burn-in, stored samples."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.data import Batch
from bnn.formatting import is_number
from bnn.methods.cost import Cost
from bnn.methods.log_joint import negative_log_joint, sampled_weights
from bnn.methods.method import Method
from bnn.methods.problem import Problem
from bnn.methods.samples import Samples, sample_steps
from bnn.noise import Noise, Purpose
from bnn.prediction import Functions, StoredWeights
from bnn.schedules import Constant, Schedule
from bnn.training import Info
from bnn.training.stepper import Reduce


class Sampler(Method):
    """Samples w ~ p(w | y)^(1/T) by a Markov chain of the weights; no variational family.

    The chain sees U(w) = −log p(w, y), the likelihood of all examples and the ledger of `Point`
    posteriors. A run builds its model with such posteriors, whatever the description says.

    A run's steps are: a descent of U by the run's optimizer, where it has one (`warm_start`); burn-
    in; then samples, one in `thinning` steps. What has no prior, a learned level of noise or a
    learned prior, is fitted in the descent and held after it.

    Attributes:
      weights: what is sampled, one variable a site.
    """

    point_weights = True
    uses_optimizer = False  # it takes one where it is given
    averaged: tuple[str, ...] = ("nll",)

    def __init__(
        self,
        step_size: float | Schedule,
        temperature: float,
        warm_start: float,
        burn_in: float,
        thinning: int | None,
    ) -> None:
        if not isinstance(step_size, Schedule) and not is_number(step_size):
            raise ValueError(f"step_size must be a number or a schedule, got {step_size!r}.")
        if not isinstance(step_size, Schedule) and not 0 < step_size < math.inf:
            raise ValueError(f"step_size must be a positive number, got {step_size}.")
        if not 0 <= temperature < math.inf:
            raise ValueError(
                f"temperature must be at least 0, got {temperature}; 1.0 is the posterior."
            )
        if not 0 <= warm_start <= burn_in < 1:
            raise ValueError(
                "warm_start and burn_in are shares of the steps, 0 <= warm_start <= burn_in < 1, "
                f"got {warm_start} and {burn_in}."
            )
        if thinning is not None and (not isinstance(thinning, int) or thinning < 1):
            raise ValueError(
                f"thinning must be an integer of at least 1 step or None, got {thinning!r}."
            )
        self.step_size = step_size if isinstance(step_size, Schedule) else Constant(step_size)
        self.temperature = float(temperature)
        self.warm_start, self.burn_in, self.thinning = warm_start, burn_in, thinning

    def build(self, problem: Problem) -> None:
        """Checks the model, and creates the archive.

        Raises:
          ValueError: a model that a sampler cannot serve, see `sampled_weights`; something without
            a prior to be learned, and no descent to learn it in; a descent on several replicas.
        """
        name = type(self).__name__
        self.weights = sampled_weights(problem, name)
        self.uses_optimizer = problem.optimizer is not None
        self.warm_steps = int(self.warm_start * problem.total_steps) if self.uses_optimizer else 0
        self.burn_steps = max(self.warm_steps, int(self.burn_in * problem.total_steps))
        if self.warm_steps and self._replicas > 1:
            raise ValueError(
                f"warm_start of method {name} must be 0 on {self._replicas} replicas, got "
                f"{self.warm_start}: optimizer and chain take turns within a compiled call, which "
                "replicas cannot; set it to 0, or run.strategy = @OneDevice()."
            )
        known = {id(v) for v in self.weights}
        held = [v.path for v in problem.trained if id(v) not in known]
        if held and not self.warm_steps:
            raise ValueError(
                f"method {name} samples weights with a prior and holds {', '.join(held)}, which "
                "have none, at what the descent before it finds; give it an optimizer and a "
                "warm_start, or make them constants with trainable=False."
            )
        self.create(problem)
        super().build(problem)
        self._cost = Cost()
        steps = sample_steps(self.step_size, problem.total_steps, self.burn_steps, self.thinning)
        self.archive = Samples(self.stored, steps)

    def create(self, problem: Problem) -> None:
        """Creates the chain's own variables."""

    @property
    def stored(self) -> Sequence[keras.Variable]:
        """The variables whose values are a sample."""
        return self.weights

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """The weights, and in a run with a descent what it learns beside them."""
        return self.problem.trained if self.warm_steps else self.weights

    def loss(self, batch: Batch, noise: Noise, training: bool = True) -> Info:
        """−log p(w, y) / N, see `negative_log_joint`."""
        return negative_log_joint(self.problem, batch, noise, training)

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """A step of the descent, or one of the chain."""
        info, gradients = reduce(self.gradients)(batch, noise)
        self._cost.add(batch)
        by_variable = dict(zip(map(id, self.trained), gradients, strict=True))
        slopes = [
            tf.zeros(w.shape) if (g := by_variable[id(w)]) is None else tf.convert_to_tensor(g)
            for w in self.weights
        ]
        self.adapt(slopes, noise)

        def descend() -> list[tf.Tensor]:
            self.update(gradients)
            return [tf.zeros([]) for _ in self.measures]

        def move() -> list[tf.Tensor]:
            return self.move(slopes, noise)

        descends = noise.step < self.warm_steps
        values = tf.cond(descends, descend, move) if self.warm_steps else move()
        return Info(info.loss, info.metrics | dict(zip(self.measures, values, strict=True)))

    measures: tuple[str, ...] = ()

    def adapt(self, slopes: list[tf.Tensor], noise: Noise) -> None:
        """Takes note of ∇U / N before the chain's or the descent's step."""

    @abc.abstractmethod
    def move(self, slopes: list[tf.Tensor], noise: Noise) -> list[tf.Tensor]:
        """One step of the chain, in place.

        Args:
          slopes: ∇U / N by weight, estimated from the batch.
          noise: of the step.

        Returns:
          The `measures` of the step, scalars.
        """

    def heat(self, noise: Noise) -> tf.Tensor:
        """The step's temperature: 0 where the schedule of step sizes explores."""
        sampling = self.step_size.sampling(self.progress(noise))
        return tf.where(sampling, self.temperature, 0.0)

    def normal(self, noise: Noise, number: int) -> tf.Tensor:
        """Standard normal numbers for a weight, the same on all replicas."""
        moves = noise.at(purpose=Purpose.MOMENTUM, site=number, replica=0, example_offset=0)
        return moves.normal(tuple(self.weights[number].shape))

    @property
    def _replicas(self) -> int:
        return tf.distribute.get_strategy().num_replicas_in_sync

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """Stored samples in their order, evenly spaced; all of them where fewer are stored."""
        del seed
        values = self.samples()
        count = len(values[0])
        chosen = np.round(np.linspace(0, count - 1, min(num_samples, count))).astype(int)
        return StoredWeights(self.weights, [v[chosen] for v in values])

    def samples(self) -> list[np.ndarray]:
        """The stored samples of every weight, `[samples, …]`."""
        assert self.archive is not None
        return self.archive.stacked()

    def describe(self) -> dict[str, Any]:
        """Name, the chain's constants, what it has stored and what it cost."""
        about: dict[str, Any] = {
            "method": type(self).__name__,
            "posterior": "its samples" if self.temperature == 1 else "tempered, its samples",
            "temperature": self.temperature,
            "step_size": _described(self.step_size),
        }
        if self.archive is None:
            return about
        return (
            about
            | self._cost.describe(self.problem.num_train)
            | {
                "warm_start_steps": self.warm_steps,
                "burn_in_steps": self.burn_steps,
                "stored_samples": len(self.archive.entries),
            }
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """The number of gradients so far."""
        return [self._cost.examples]


def _described(schedule: Schedule) -> Any:
    """A number, or the schedule's name and arguments."""
    if isinstance(schedule, Constant):
        return schedule.value
    return {"schedule": type(schedule).__name__, **schedule.get_config()}
