"""The likelihood p(y | outputs) of one example, and the predictive distribution of samples."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf


class Likelihood(abc.ABC):
    """log p(y given outputs), per example, in nats.

    Attributes:
      task: what is predicted, which decides the metrics that apply: `"classification"`,
        `"regression"`, `"multilabel"`, `"counts"`, `"survival"` or `"heads"`.
      neutral_target: a number that every target may be: stands in for masked ones.
      takes_logits: outputs are logits of probabilities, without a link of their own.
    """

    task: str
    takes_logits = False
    neutral_target: float = 0.0

    def build(self, num_targets: int = 1) -> None:  # noqa: B027  (stateless unless overridden)
        """Creates the likelihood's variables, if it has any; a repeated call does nothing.

        Args:
          num_targets: D, the number of target columns, or C, that of classes.

        Raises:
          ValueError: it was built for another number.
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

    def num_targets(self, num_outputs: int) -> int:
        """D, or the number of classes, that so many model outputs are for; 1 where none fits."""
        fitting = (d for d in range(1, num_outputs + 1) if self.num_outputs(d) == num_outputs)
        return next(fitting, 1)

    @abc.abstractmethod
    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Log p(y | outputs) in nats, `[B]`, float32 (float64 for outputs in float64).

        Targets outside of the support are refused where their values are known; in a compiled
        function, where they are not, their log-probability is NaN.

        Args:
          outputs: of the model, `[B, num_outputs]`.
          targets: `[B]` labels, or `[B, D]` (`[B]` where D = 1).
        """

    def checked_log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """`log_prob`, which must be one number an example, `[B]`: what objectives average.

        Raises:
          ValueError: for another shape, as a mean over positions, columns or heads would weigh
            the KL by their number.
          InvalidArgumentError: in a graph, where outputs and targets have other numbers of rows
            and no shape says so before. XLA cannot refuse: all rows are NaN there.
        """
        log_prob = tf.convert_to_tensor(self.log_prob(outputs, targets))
        num_examples = keras.tree.flatten(outputs)[0].shape[0]
        if not log_prob.shape.is_compatible_with([num_examples]) or log_prob.shape.rank is None:
            expected = "[B]" if num_examples is None else f"[B] = [{num_examples}]"
            raise ValueError(
                f"{type(self).__name__}.log_prob must return one number an example, {expected}, "
                f"got shape {log_prob.shape}; sum the events of an example with "
                "bnn.likelihoods.Positions(...), which takes a mask, and give several outputs "
                "theirs with bnn.likelihoods.Heads({...})."
            )
        return _of_as_many_rows(type(self).__name__, log_prob, outputs, targets)

    @abc.abstractmethod
    def predictive(self, samples: Any, **units: Any) -> Any:
        """p(y | x) ≈ (1/S) Σₛ p(y | outputsₛ): a mixture with `log_prob` and `mean`, see there.

        Args:
          samples: outputs of S posterior samples, `[S, B, num_outputs]`.
          **units: `loc` and `scale` of regression targets, see there.
        """

    def get_config(self) -> dict[str, Any]:
        """Keras configuration: the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Likelihood:
        """The likelihood described by `get_config`, not built."""
        return cls(**config)


def _of_as_many_rows(name: str, log_prob: tf.Tensor, outputs: Any, targets: Any) -> tf.Tensor:
    """The log-probabilities where every target has one row an example: one row is broadcast."""
    leaves = [leaf for leaf in keras.tree.flatten((outputs, targets)) if leaf is not None]
    leaves = [leaf for leaf in map(tf.convert_to_tensor, leaves) if leaf.shape.rank != 0]
    if all(leaf.shape[:1].is_fully_defined() for leaf in leaves):
        return log_prob  # `log_prob` has looked at the shapes
    first, *others = (tf.shape(leaf)[0] for leaf in leaves)
    same = tf.reduce_all([tf.equal(first, count) for count in others])
    words = f"{name}: outputs and targets must have one row an example; pair each with its target."
    with tf.control_dependencies([tf.debugging.Assert(same, [words, first, *others])]):
        return tf.where(same, log_prob, tf.cast(float("nan"), log_prob.dtype))


class Classification(Likelihood):
    """A likelihood of class labels."""

    task = "classification"

    @abc.abstractmethod
    def log_probs(self, samples: tf.Tensor) -> tf.Tensor:
        """Normalised log-probabilities `[S, B, C]` of outputs `[S, B, num_outputs]`."""
