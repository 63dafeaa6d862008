"""Baselines of the score-function estimator: what is subtracted from f before the score.

E_q[∇ log q(w)] = 0, so any b independent of w leaves the gradient E_q[(f(w) − b) ∇ log q(w)]
unbiased and can shrink its variance (Williams 1992; Mnih & Gregor 2014).
"""

from __future__ import annotations

import abc

import gin
import keras
import tensorflow as tf

from bnn.described import Described


class Baseline(Described, abc.ABC):
    """A rule for b, one number per weight sample.

    Attributes:
      needs_score_norm: whether `__call__` uses the norms, so that they have to be computed.
    """

    needs_score_norm = False

    @property
    def variables(self) -> list[keras.Variable]:
        """State that a checkpoint has to keep."""
        return []

    @abc.abstractmethod
    def __call__(self, values: tf.Tensor, score_norms: tf.Tensor) -> tf.Tensor:
        """The baselines bₛ, `[S]`; bₛ must not depend on sample s.

        Args:
          values: sampled values of f, `[S]`.
          score_norms: ‖∇_w log q(wₛ)‖², `[S]`; zeros unless `needs_score_norm`.
        """

    def update(self, values: tf.Tensor) -> None:
        """Takes note of this step's values `[S]`, after the baseline was used."""
        del values  # a statement: AutoGraph cannot convert a function that is a docstring only


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class NoBaseline(Baseline):
    """b = 0."""

    def __call__(self, values: tf.Tensor, score_norms: tf.Tensor) -> tf.Tensor:
        """Zeros `[S]`."""
        return tf.zeros_like(values)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class LeaveOneOut(Baseline):
    """bₛ = mean of f over the other samples (Kool, van Hoof, Welling 2019). Needs S ≥ 2."""

    def __call__(self, values: tf.Tensor, score_norms: tf.Tensor) -> tf.Tensor:
        """bₛ = (Σⱼ fⱼ − fₛ) / (S − 1)."""
        num_samples = _at_least_two(values, "leave-one-out")
        return (tf.reduce_sum(values) - values) / (num_samples - 1)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class OptimalCoefficient(Baseline):
    """bₛ = Σ_{j≠s} fⱼ nⱼ / Σ_{j≠s} nⱼ, nⱼ = ‖∇_w log q(wⱼ)‖²: the score as a control variate.

    Subtracting b · ∇ log q, whose mean is 0, leaves the least total variance at
    b* = E[f n] / E[n] (Weaver & Tao 2001; Ranganath et al. 2014); here b* is estimated from the
    other samples, so that the gradient stays unbiased. Needs S ≥ 2.
    """

    needs_score_norm = True

    def __call__(self, values: tf.Tensor, score_norms: tf.Tensor) -> tf.Tensor:
        """The leave-one-out estimate of b*."""
        _at_least_two(values, "optimal-coefficient")
        products = values * score_norms
        others = tf.reduce_sum(score_norms) - score_norms
        return tf.math.divide_no_nan(tf.reduce_sum(products) - products, others)


@keras.saving.register_keras_serializable(package="bnn")
@gin.register(module="bnn.estimators")
class RunningMean(Baseline):
    """b = exponential running mean of f over the steps before this one.

    b ← decay · b + (1 − decay) · mean(f), divided by 1 − decayᵗ as Adam's moments are; b = 0 at
    the first step.

    Args:
      decay: between 0 and 1.
    """

    def __init__(self, decay: float = 0.9) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, got {decay}; try 0.9.")
        self.decay = float(decay)
        self._mean: keras.Variable | None = None
        self._weight: keras.Variable | None = None

    def build(self) -> None:
        """Creates the state; called once, inside the distribution strategy's scope."""
        if self._mean is None:
            with tf.init_scope():
                self._mean = keras.Variable(0.0, trainable=False, aggregation="mean")
                self._weight = keras.Variable(0.0, trainable=False, aggregation="mean")

    @property
    def variables(self) -> list[keras.Variable]:
        """Mean and total weight."""
        self.build()
        return [self._mean, self._weight]

    def __call__(self, values: tf.Tensor, score_norms: tf.Tensor) -> tf.Tensor:
        """The mean of the steps before, `[S]` equal numbers."""
        mean, weight = (tf.convert_to_tensor(v) for v in self.variables)
        return tf.fill(tf.shape(values), tf.math.divide_no_nan(mean, weight))

    def update(self, values: tf.Tensor) -> None:
        """Moves the mean towards this step's values."""
        mean, weight = self.variables
        share = 1 - self.decay
        mean.assign(self.decay * mean + share * tf.stop_gradient(tf.reduce_mean(values)))
        weight.assign(self.decay * weight + share)


def _at_least_two(values: tf.Tensor, name: str) -> int:
    """S; ValueError below 2."""
    num_samples = values.shape[0]
    if num_samples < 2:
        raise ValueError(
            f"the {name} baseline needs num_samples of at least 2 in the objective, got "
            f"{num_samples}; raise num_samples or use RunningMean()."
        )
    return num_samples
