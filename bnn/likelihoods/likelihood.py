"""The likelihood p(y | outputs) of one example, and the predictive distribution of samples."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf

from bnn import distributions as tfd


class Likelihood(abc.ABC):
    """log p(y given outputs), per example, in nats.

    Attributes:
      task: `"classification"` or `"regression"`: which metrics apply.
      takes_structures: whether outputs and targets may be structures of tensors, one per head.
    """

    task: str
    takes_structures = False

    def build(self, num_targets: int = 1) -> None:  # noqa: B027  (stateless unless overridden)
        """Creates the likelihood's variables, if it has any; repeated calls do nothing.

        Args:
          num_targets: D, the number of target columns of a regression.
        """

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables, in a fixed order."""
        return []

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The variables that training fits beside the model's."""
        return [v for v in self.variables if v.trainable]

    @abc.abstractmethod
    def num_outputs(self, num_targets: int) -> int:
        """Number of model outputs for so many classes, or target columns."""

    @abc.abstractmethod
    def log_prob(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Log p(y | outputs) in nats, `[B]`, float32.

        Args:
          outputs: of the model, `[B, num_outputs]`.
          targets: `[B]` labels, or `[B, D]` (`[B]` where D = 1).
        """

    @abc.abstractmethod
    def predictive(self, samples: tf.Tensor, **units: Any) -> tfd.Distribution:
        """p(y | x) ≈ (1/S) Σₛ p(y | outputsₛ), batch shape `[B]`.

        Args:
          samples: outputs of S posterior samples, `[S, B, num_outputs]`.
          **units: `loc` and `scale` of regression targets, see there.
        """


class Classification(Likelihood):
    """A likelihood of class labels."""

    task = "classification"

    @abc.abstractmethod
    def log_probs(self, samples: tf.Tensor) -> tf.Tensor:
        """Normalised log-probabilities `[S, B, C]` of outputs `[S, B, num_outputs]`, float32."""


def as_columns(targets: tf.Tensor) -> tf.Tensor:
    """Targets `[B]` or `[B, D]` as float32 `[B, D]`."""
    targets = tf.cast(targets, tf.float32)
    return targets[:, tf.newaxis] if targets.shape.rank == 1 else targets
