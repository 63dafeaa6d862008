"""What an inference method is: steps, what happens after them, and functions to predict with."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from bnn.data import Batches
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.prediction import Draws, Functions, fixed_batch, predict
from bnn.training import Archive, Stepper
from bnn.weight_decay import check_decay

# Inputs per pass: bounds the memory of convolutional activations; the samples do not depend on it.
_PREDICT_BATCH = 1000


class Method(Stepper, abc.ABC):
    """An inference method.

    Files of methods have their functions in this order: `build`, `loss` or `step`, `finish`,
    `functions`, `predict`, `describe`; the update's equation and its source stand in the class's
    docstring. The default `step` is `update(reduce(gradients)(batch, noise))` with the optimizer's
    update, see `bnn.training.Stepper`; a method that moves otherwise (a sampler) has its own.

    State is carry or archive. Carry is variables that steps change, saved at every checkpoint; the
    archive is values noted once in so many steps, stored once each and never changed.

    Attributes:
      problem: what `build` was given.
      point_weights: whether runs build the model with `bnn.posteriors.points`.
      whole_data: whether every step takes all training examples, whatever the run's batch size.
      masks_dropout: whether it draws the masks of Keras's dropout layers from the run's noise, so
        that replicas may train them.
      uses_optimizer: whether the method needs the run's optimizer; one that does not refuses it.
      averaged: the metrics of a step of which a report has the mean since the last one. Of the
        others it has the latest value.
      archive: values noted while training, or None.
    """

    problem: Problem
    point_weights: bool = False
    whole_data: bool = False
    masks_dropout: bool = False
    uses_optimizer: bool = True
    averaged: tuple[str, ...] = ()
    archive: Archive | None = None

    def build(self, problem: Problem) -> None:
        """Creates the method's state for a problem; once, before the first step.

        Raises:
          ValueError: a problem that the method cannot serve; the message has the remedy.
        """
        name = type(self).__name__
        if self.uses_optimizer and problem.optimizer is None:
            raise ValueError(
                f"method {name} needs an optimizer, got None; in gin write for example "
                "run.optimizer = @keras.optimizers.Adam()."
            )
        if not self.uses_optimizer and problem.optimizer is not None:
            raise ValueError(
                f"method {name} has no use for an optimizer, got "
                f"{type(problem.optimizer).__name__}; set run.optimizer = None."
            )
        self.problem = problem
        if problem.optimizer is not None:
            check_decay(problem.optimizer, problem.model, problem.likelihood)
            problem.optimizer.build(list(self.trained))

    @property
    def trained(self) -> Sequence[keras.Variable]:
        """The problem's own trained variables."""
        return self.problem.trained

    def begun_from(self, model: keras.Model) -> list[tuple[keras.Variable, Any]]:
        """What of the method's own variables begins as a model's weights do, with their values.

        Args:
          model: another of the problem's kind, with the weights that a member of an ensemble begins
            with.
        """
        del model
        return []

    def update(self, gradients: Sequence[Any]) -> None:
        """One step of the optimizer, in place."""
        assert self.problem.optimizer is not None
        self.problem.optimizer.apply(list(gradients), list(self.trained))

    def finish(self, batches: Batches) -> None:
        """What happens after training: a curvature, the statistics of averaged weights.

        Args:
          batches: of the training part; `batches.full()` has every example once.
        """

    @property
    def finishes(self) -> bool:
        """Whether `finish` of this problem has anything to do."""
        return type(self).finish is not Method.finish

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """The posterior's functions: coherent draws from q.

        Args:
          num_samples: S.
          seed: int or scalar integer tensor.
        """
        return Draws(num_samples, seed)

    def predict(self, inputs: Any, num_samples: int, seed: Any) -> tf.Tensor:
        """Outputs of functions from the posterior, `[S, B, …]`."""
        functions = self.functions(num_samples, seed)
        return predict(
            self.problem.model,
            inputs,
            functions.num_samples,
            functions=functions,
            batch_size=fixed_batch(self.problem.model) or _PREDICT_BATCH,
            jit_compile=self.problem.jit_compile,
        )

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """What results must say about the method; JSON values, the class's name as `method`."""

    @property
    def variables(self) -> list[keras.Variable]:
        """Carry: the method's own variables, beside those of model, likelihood and optimizer."""
        return []

    def scheduled(self, progress: float) -> dict[str, float]:
        """Numbers that follow a schedule, by name, as a run's report notes them.

        Args:
          progress: share of the training that is done, in [0, 1].
        """
        del progress
        return {}

    def progress(self, noise: Noise) -> tf.Tensor:
        """Share of the training that is done at a step, in [0, 1], for schedules."""
        return tf.cast(noise.step, tf.float32) / self.problem.total_steps
