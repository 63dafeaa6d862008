"""What an inference method is: an objective to step on, and a way to predict."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import keras
import tensorflow as tf

from bnn.estimators import Estimator
from bnn.likelihoods import Likelihood


@dataclasses.dataclass(frozen=True)
class Problem:
    """What all methods share: they differ by one object and by nothing else.

    Attributes:
      model: built Keras model.
      likelihood: p(y | outputs), built.
      estimator: of the weights' expectation and its gradient.
      num_train: N.
      total_steps: of the whole training, for schedules.
      seed: of all noise; an int, or an integer tensor where many draws are compared.
      jit_compile: compile with XLA; False for models that are faster, or only run, without.
    """

    model: keras.Model
    likelihood: Likelihood
    estimator: Estimator
    num_train: int
    total_steps: int
    seed: Any
    jit_compile: bool = True

    @property
    def trained(self) -> list[keras.Variable]:
        """The variables that training changes: the model's, the priors' and the likelihood's."""
        return [*self.model.trainable_variables, *self.likelihood.trainable_variables]


class Method(abc.ABC):
    """An inference method."""

    @abc.abstractmethod
    def loss(
        self,
        problem: Problem,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        step: tf.Tensor,
        training: bool = True,
        *,
        replica: Any = 0,
        example_offset: Any = 0,
    ) -> Any:
        """The objective's terms for a batch: a named tuple with loss, nll, kl and kl_by_site.

        Args:
          problem: what is trained.
          inputs: `[B, …]`.
          targets: `[B]` or `[B, D]`.
          step: of the training; selects noise and schedules.
          training: False where the value is only looked at, so that no state changes.
          replica: of the draw, see `bnn.Draw`.
          example_offset: of the batch in the global batch, see `bnn.Draw`.
        """

    @abc.abstractmethod
    def predict(self, problem: Problem, inputs: Any, num_samples: int, seed: int) -> tf.Tensor:
        """Outputs of functions from the posterior, `[S, B, …]`."""

    def variables(self, problem: Problem) -> list[keras.Variable]:
        """State of the method itself that a checkpoint has to keep."""
        del problem
        return []

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """What results must say about the method; JSON values."""
