"""What likelihoods of independent target columns share: each is one density with its moments."""

from __future__ import annotations

import abc
from typing import Any

import tensorflow as tf

from bnn.likelihoods.likelihood import Likelihood
from bnn.likelihoods.mixture import Mixture
from bnn.likelihoods.root_finding import bisect
from bnn.likelihoods.targets import in_support, nan_outside, one_output, same_examples
from bnn.likelihoods.targets import target_columns as as_columns


class Columns(Likelihood):
    """p(y | outputs) = ∏_d p(y_d; parameters_d): a subclass gives the parameters and one density.

    All functions of `y` or `q` are elementwise and broadcast with the parameters, in their type.

    Attributes:
      discrete: targets are integers, and `log_density` is that of a mass.
      requirement: what targets must be, as words in an error.
      remedy: what to do about others.
    """

    task = "regression"
    discrete = False
    requirement = "finite"
    remedy = "repair or drop these rows"

    @abc.abstractmethod
    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The density's parameters, the first `[…, D]`, for outputs `[…, num_outputs]`."""

    @abc.abstractmethod
    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Log p(y; parameters) of one column, nats."""

    @abc.abstractmethod
    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """E[y]."""

    @abc.abstractmethod
    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """Var[y]."""

    @abc.abstractmethod
    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """P(Y ≤ y)."""

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """The smallest y with P(Y ≤ y) ≥ q, by bisection between Cantelli's bounds.

        They are mean − sd √((1−q)/q) and mean + sd √(q/(1−q)) and enclose every quantile of a
        distribution with a variance.
        """
        mean, stddev = self.mean(*parameters), tf.sqrt(self.variance(*parameters))
        lower = mean - stddev * tf.sqrt((1 - q) / q)
        upper = mean + stddev * tf.sqrt(q / (1 - q))
        return bisect(lambda y: self.cdf(y, *parameters), q, lower, upper, self.discrete)

    def valid(self, y: tf.Tensor) -> tf.Tensor:
        """Which targets are in the support, elementwise."""
        return tf.math.is_finite(y)

    def joint_log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Σ_d log p(y_d; parameters_d), over the last axis."""
        return tf.reduce_sum(self.log_density(y, *parameters), axis=-1)

    def draw(self, uniform: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Targets for uniform numbers `[…, D]`, by the inverse CDF."""
        return self.quantile(uniform, *parameters)

    def log_prob(self, outputs: Any, targets: Any) -> tf.Tensor:
        """Σ_d log p(y_d; parameters_d), `[B]`, in the units that the model is trained in.

        Raises:
          ValueError: where outputs and targets differ in shape, as they would be broadcast
            silently, and for known targets outside of the support.
        """
        name = type(self).__name__
        outputs = one_output(name, outputs)
        width = self.num_columns(outputs.shape[-1])
        columns = as_columns(name, targets, width, outputs.dtype)
        same_examples(name, outputs, columns)
        self.require_built(width)
        safe, inside = in_support(
            name, columns, self.valid, self.neutral_target, self.requirement, self.remedy
        )
        log_prob = self.joint_log_density(safe, *self.parameters(outputs))
        return nan_outside(log_prob, tf.reduce_all(inside, axis=-1))

    def num_columns(self, num_outputs: int | None) -> int | None:
        """D, the number of target columns that so many outputs mean.

        Raises:
          ValueError: where they are none.
        """
        if num_outputs is None:
            return None
        each = self.num_outputs(1)
        if num_outputs % each or not num_outputs:
            raise ValueError(
                f"{type(self).__name__} needs {each} outputs per target, got {num_outputs} "
                "outputs; size the last layer with num_outputs(num_targets)."
            )
        return num_outputs // each

    def require_built(self, num_targets: int | None) -> None:
        """Builds variables that have one element per target column for the first targets."""

    def predictive(self, samples: Any, **units: Any) -> Mixture:
        """The uniform mixture of S samples, in the target's own units and in float64.

        Its log-density is that of the target itself: dividing targets by `scale` is undone here, so
        log-likelihoods need no further correction.

        Args:
          samples: outputs `[S, B, num_outputs]`.
          **units: `loc`, the mean that was subtracted from the targets, and the positive `scale`
            that they were divided by, numbers or `[D]`.

        Raises:
          ValueError: samples of another shape, units or learned numbers of another width than D,
            before variables are built.
        """
        samples = as_samples(type(self).__name__, samples)
        width = self.num_columns(samples.shape[-1])
        if self.variables:  # those of another width would be broadcast silently
            self.require_built(width)
        return Mixture(self, self.parameters(samples), **units)


def as_samples(name: str, samples: Any) -> tf.Tensor:
    """Outputs of S samples in float64; ValueError unless they are `[S, B, K]`."""
    samples = tf.cast(tf.convert_to_tensor(samples), tf.float64)
    if samples.shape.rank not in (3, None):
        raise ValueError(
            f"{name}: samples must be outputs [S, B, K] as bnn.predict gives them, got shape "
            f"{samples.shape}; add the axis of samples to the outputs of one function with "
            "samples[None]."
        )
    return samples
