"""The gradient-noise probe: what each estimator's gradient would be worth at this moment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gin
import keras
import tensorflow as tf

from bnn.data import Batch
from bnn.estimators import Estimator
from bnn.methods.variational_inference import VariationalInference
from bnn.noise import Noise


class GradientNoise(NamedTuple):
    """Moments of one estimator's gradient over draws, for one batch and fixed parameters.

    Attributes:
      variance: trace of the gradient's covariance by group of variables.
      snr: ‖mean gradient‖ / √variance by group; the squared norm is unbiased, and 0 where that
        estimate is negative.
      seconds: per gradient, compiled, in this run.
    """

    variance: dict[str, float]
    snr: dict[str, float]
    seconds: float


@gin.register(module="bnn.methods")
class GradientNoiseProbe:
    """Compares estimators at identical parameters while a run trains.

    Every `every` reports, on the batch of the coming step, the gradient of the objective is drawn
    `num_draws` times with the run's own estimator and each alternative. Nothing of the run's state
    changes, and without a probe nothing is computed.

    Args:
      alternatives: estimators beside the run's own.
      every: reports between two measurements, at least 1.
      num_draws: gradients per estimator, at least 2.
    """

    def __init__(
        self, alternatives: Sequence[Estimator] = (), every: int = 1, num_draws: int = 32
    ) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1 report, got {every}.")
        if num_draws < 2:
            raise ValueError(
                f"num_draws must be at least 2 to estimate a variance, got {num_draws}; try 32."
            )
        self.alternatives = tuple(alternatives)
        self.every = int(every)
        self.num_draws = int(num_draws)
        self._functions: dict[int, Any] = {}

    def due(self, report: int) -> bool:
        """Whether to measure at the report of this number, counted from 1."""
        return report % self.every == 0

    def check(self, method: Any) -> None:
        """Raises ValueError for a method whose steps have no estimator to compare."""
        if not isinstance(method, VariationalInference):
            raise ValueError(
                f"probe compares the estimators of VariationalInference, got method "
                f"{type(method).__name__}; use run.probe = None."
            )

    def measure(
        self,
        method: VariationalInference,
        groups: Mapping[str, Sequence[keras.Variable]],
        batch: Batch,
        step: int,
    ) -> dict[str, float]:
        """Values for the metrics.

        Args:
          method: built.
          groups: names to variables, whose gradients are taken together.
          batch: of the step.
          step: selects noise and schedules.

        Returns:
          `probe/<estimator>/<group>/variance`, `…/snr` and `…/variance_x_seconds`, and
          `probe/<estimator>/seconds`.
        """
        values: dict[str, float] = {}
        for number, estimator in enumerate((method.estimator, *self.alternatives)):
            if number not in self._functions:
                self._functions[number] = _moments(method, estimator, groups)
            noise = _measure(self._functions[number], groups, batch, step, self.num_draws)
            label = f"probe/{type(estimator).__name__}"
            label = label if f"{label}/seconds" not in values else f"{label}_{number}"
            values[f"{label}/seconds"] = noise.seconds
            for group, variance in noise.variance.items():
                values[f"{label}/{group}/variance"] = variance
                values[f"{label}/{group}/snr"] = noise.snr[group]
                values[f"{label}/{group}/variance_x_seconds"] = variance * noise.seconds
        return values


def _measure(
    function: Any,
    groups: Mapping[str, Sequence[keras.Variable]],
    batch: Batch,
    step: int,
    num_draws: int,
) -> GradientNoise:
    position = tf.constant(step, tf.int64)
    function(batch, position, tf.constant(2))  # compiles; not timed
    started = time.perf_counter()
    variances, squares = (
        part.numpy() for part in function(batch, position, tf.constant(num_draws))
    )
    seconds = (time.perf_counter() - started) / num_draws
    variance = {name: float(v) for name, v in zip(groups, variances, strict=True)}
    square = {
        # E ‖mean of n‖² = ‖E g‖² + tr Cov / n: without the last part pure noise has 1/√n.
        name: max(float(s) - variance[name] / num_draws, 0.0)
        for name, s in zip(groups, squares, strict=True)
    }
    snr = {name: (square[name] / max(v, 1e-30)) ** 0.5 for name, v in variance.items()}
    return GradientNoise(variance, snr, seconds)


def _moments(
    method: VariationalInference,
    estimator: Estimator,
    groups: Mapping[str, Sequence[keras.Variable]],
) -> Any:
    """A function of (batch, step, n): trace of covariance and squared norm of the mean by group.

    Deviations are taken from the first draw, so that a small variance beside a large mean is not
    lost to rounding: Var = [Σ‖dᵢ‖² − ‖Σdᵢ‖² / n] / (n − 1) with dᵢ = gᵢ − g₁.
    """
    variables = [v for group in groups.values() for v in group]
    # Membership as a matrix: XLA has no segment sum on CPUs.
    members = [[float(any(v is w for w in group)) for v in variables] for group in groups.values()]

    def gradients(batch: Batch, step: tf.Tensor, draw: tf.Tensor) -> list:
        seed = tf.cast(method.problem.seed, tf.int64) + 1 + tf.cast(draw, tf.int64)
        with tf.GradientTape() as tape:
            noise = Noise(seed, step)
            loss = method.loss(batch, noise, training=False, estimator=estimator).loss
        return tape.gradient(loss, variables, unconnected_gradients="zero")

    def run(batch: Batch, step: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Trace of covariance and squared norm of the mean, `[groups]` each, of `count` draws."""
        first = gradients(batch, step, tf.constant(0))

        def body(draw: tf.Tensor, total: list, squares: tf.Tensor) -> tuple:
            now = gradients(batch, step, draw)
            shifted = [g - f for g, f in zip(now, first, strict=True)]
            return (
                draw + 1,
                [t + s for t, s in zip(total, shifted, strict=True)],
                squares + tf.stack([tf.reduce_sum(tf.square(s)) for s in shifted]),
            )

        start = (tf.constant(1), [tf.zeros_like(f) for f in first], tf.zeros([len(first)]))
        _, total, squares = tf.while_loop(lambda i, *_: i < count, body, start)
        n = tf.cast(count, tf.float32)
        of_sum = tf.stack([tf.reduce_sum(tf.square(t)) for t in total])
        trace = (squares - of_sum / n) / (n - 1.0)
        mean = [f + t / n for f, t in zip(first, total, strict=True)]
        norms = tf.stack([tf.reduce_sum(tf.square(m)) for m in mean])
        return tf.linalg.matvec(members, trace), tf.linalg.matvec(members, norms)

    return tf.function(run, autograph=False, jit_compile=method.problem.jit_compile)
