"""Snapshot ensembles: the ends of the cycles of one training."""

from __future__ import annotations

from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.compat import innermost_optimizer, learning_rate_of
from bnn.methods.counted import Counted
from bnn.methods.map import MAP
from bnn.methods.problem import Problem
from bnn.methods.samples import Samples
from bnn.posteriors.validation import require_count
from bnn.prediction import Functions, StoredWeights
from bnn.prediction.functions import check_num_samples


@gin.register(module="bnn.methods")
class SnapshotEnsemble(Counted, MAP):
    """p(y | x) = (1/M) Σ_m p(y | x, w_m), w_m the iterate at the end of cycle m of one training.

    Huang et al. 2017, equation 2: the gradient is that of `MAP`, and the learning rate falls from
    α₀ to 0 along half a cosine in each of M equal cycles of the T steps,

        α(t) = ½ α₀ (1 + cos(π (t mod T/M) / (T/M))),

    so that each ends near a mode, and the jump back to α₀ leaves it. An ensemble at the cost of one
    training, whose members are less different than those of `DeepEnsemble`.

    Runs build the model with `Point` posteriors, whatever it asks for. A member is all of the
    model's variables, moving statistics too. Noise that the likelihood learns is that of the last
    iterate.

    Args:
      num_cycles: M.
      learning_rate: α₀; where None the rate that the run's own schedule begins with.
    """

    point_weights = True

    def __init__(self, num_cycles: int = 5, learning_rate: float | None = None) -> None:
        if learning_rate is not None and not 0 < learning_rate < np.inf:
            raise ValueError(
                "learning_rate must be positive, or None for that of the run's start, got "
                f"{learning_rate!r}."
            )
        self.num_cycles = require_count("num_cycles", num_cycles)
        self.learning_rate = learning_rate

    def build(self, problem: Problem) -> None:
        """Sets the learning rate's cycles.

        Raises:
          ValueError: random weights, or fewer steps than cycles.
        """
        if problem.total_steps < self.num_cycles:
            raise ValueError(
                f"num_cycles must be at most the run's {problem.total_steps} steps, got "
                f"{self.num_cycles}; lower it, or train for more epochs."
            )
        ends = [problem.total_steps * m // self.num_cycles for m in range(1, self.num_cycles + 1)]
        if problem.optimizer is not None:
            inner = innermost_optimizer(problem.optimizer)
            inner.learning_rate = _Cycles(self._first_rate(learning_rate_of(inner)), ends)
        super().build(problem)
        self._kept = list(problem.model.variables)
        self.archive = Samples(self._kept, ends)

    def _first_rate(self, own: Any) -> float:
        if self.learning_rate is not None:
            return float(self.learning_rate)
        return float(own(tf.constant(0)) if callable(own) else np.asarray(own))

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """The members, the last S of them; the current weights alone before the first cycle's end.

        Args:
          num_samples: S.
          seed: without effect, nothing is drawn.
        """
        del seed
        assert self.archive is not None
        values = [v[-check_num_samples(num_samples) :] for v in self.archive.stacked()]
        return StoredWeights(self._kept, values)

    def describe(self) -> dict[str, Any]:
        """Name, members, and the cost."""
        about = {
            "method": type(self).__name__,
            "num_cycles": self.num_cycles,
            "posterior": f"{self.num_cycles} members: ends of cycles",
        }
        if self.archive is None:
            return about
        return {**about, **self.cost()}


class _Cycles(keras.optimizers.schedules.LearningRateSchedule):
    """α(t); `ends` are the steps after which a cycle has ended."""

    def __init__(self, first: float, ends: list[int]) -> None:
        self._first, self._ends = first, ends

    def __call__(self, step: Any) -> tf.Tensor:
        ends = tf.constant(self._ends[:-1], tf.float32)
        begins = tf.constant([0, *self._ends[:-1]], tf.float32)
        sizes = tf.constant(np.diff([0, *self._ends]), tf.float32)
        now = tf.minimum(tf.cast(step, tf.float32), float(self._ends[-1]))
        cycle = tf.reduce_sum(tf.cast(now >= ends, tf.int32))
        place = (now - tf.gather(begins, cycle)) / tf.gather(sizes, cycle)
        return 0.5 * self._first * (1.0 + tf.cos(np.pi * place))

    def get_config(self) -> dict:
        raise NotImplementedError("the cycles are described by the method that has them.")
