"""Averages of the iterates of stochastic gradient descent: SWA, and the normal fitted to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.data import Batches
from bnn.formatting import is_number
from bnn.methods.counted import Counted
from bnn.methods.low_rank_draws import LowRankDraws
from bnn.methods.map import MAP
from bnn.methods.moving_statistics import MovingStatistics
from bnn.methods.problem import Problem
from bnn.methods.snapshots import Snapshots, hold_learning_rate, in_model
from bnn.methods.with_values import WithValues
from bnn.prediction import Functions, StoredWeights
from bnn.prediction.functions import check_num_samples

_MOST_NUMBERS = 2**33  # of the columns, 32 GB


class Moments(NamedTuple):
    """What was collected of every trained variable.

    Attributes:
      num_snapshots: n, so far.
      mean: w̄, of the variables' shapes.
      variance: (1/n) Σ (wᵢ − w̄)², of the variables' shapes.
      columns: wᵢ − w̄ᵢ of the last min(n, K) snapshots, w̄ᵢ the mean up to the i-th; `[k, …]`,
        the oldest first.
    """

    num_snapshots: int
    mean: list[np.ndarray]
    variance: list[np.ndarray]
    columns: list[np.ndarray]


@gin.register(module="bnn.methods")
class SWA(Counted, MAP):
    """w̄ = (1/n) Σᵢ wᵢ over snapshots of the iterates of MAP at a constant learning rate.

    Stochastic weight averaging (Izmailov et al. 2018, algorithm 1). The gradient is that of `MAP`,
    of the negative log joint per example; w̄ is the one function that predictions are made with.
    The model itself keeps the last iterate. Noise that the likelihood learns becomes the average
    of its variables with the last snapshot.

    Runs build the model with `Point` posteriors, whatever it asks for. The moving statistics of
    BatchNormalization are renewed for w̄ when the training ends, by a pass over the training
    examples, see `MovingStatistics`; until then the functions of such a model are that of the
    last iterate. They are held beside w̄, so that a restored run needs no data.

    Args:
      start: share of the training before the first snapshot may be taken.
      num_snapshots: n, evenly over the rest, the last one at the end; fewer where there are fewer
        steps. The paper takes one an epoch.
      learning_rate: from `start` on, constant; where None what the run's schedule has reached
        there. Before, the schedule is the run's own.
    """

    point_weights = True

    def __init__(
        self, start: float = 0.75, num_snapshots: int = 40, learning_rate: float | None = None
    ) -> None:
        if not is_number(start) or not 0 <= start < 1:
            raise ValueError(
                f"start must be a share of the training from 0 to below 1, got {start!r}; 0.75 is "
                "usual."
            )
        if learning_rate is not None and not 0 < learning_rate < math.inf:
            raise ValueError(
                f"learning_rate must be positive, or None to hold the run's own, got "
                f"{learning_rate!r}."
            )
        self.start, self.learning_rate = float(start), learning_rate
        self.num_snapshots = whole_number("num_snapshots", num_snapshots, 1)

    def build(self, problem: Problem) -> None:
        """Creates the averages, zero.

        Raises:
          ValueError: random weights, layers with moving statistics that cannot be renewed.
        """
        self._moving = MovingStatistics(type(self).__name__, problem.model)
        first = min(round(self.start * problem.total_steps), problem.total_steps - 1)
        if problem.optimizer is not None:
            hold_learning_rate(problem.optimizer, first, self.learning_rate)
        super().build(problem)
        every = max(1, (problem.total_steps - first) // self.num_snapshots)
        first = max(first, problem.total_steps - every * self.num_snapshots)
        self.archive = Snapshots(self._collect, every, first, problem.total_steps)
        self._count = _zeros((), "snapshots", "int32")
        self._means = [_zeros(v.shape, f"{v.name}_average") for v in self.trained]
        kept = [(self._statistics_kept, *v.shape) for v in self._moving.variables]
        self._statistics = [_zeros(shape, f"statistics_{i}") for i, shape in enumerate(kept)]
        self._renewed = _zeros((), "renewed", "int32")

    @property
    def _statistics_kept(self) -> int:
        """Of how many functions."""
        return 1

    @property
    def finishes(self) -> bool:
        """Whether a layer has moving statistics to be renewed."""
        return bool(self._moving.layers)

    def _collect(self, step: int) -> None:
        """Takes a snapshot."""
        count = self._count.value + 1
        for variable, mean in zip(self.trained, self._means, strict=True):
            now = tf.cast(tf.convert_to_tensor(variable), tf.float32)
            mean.assign_add((now - mean) / tf.cast(count, tf.float32))
        self._count.assign(count)
        if step == self.archive.last:  # type: ignore[union-attr]
            learned = {id(v) for v in self.problem.likelihood.trainable_variables}
            for variable, mean in zip(self.trained, self._means, strict=True):
                if id(variable) in learned:
                    variable.assign(mean)

    def finish(self, batches: Batches) -> None:
        """The moving statistics that belong to the functions; nothing for models without any.

        Raises:
          ValueError: training examples that cannot be read again.
        """
        if not self.finishes:
            return
        drawn = self._drawn(self._statistics_kept, self.problem.seed)
        found = self._moving.of(drawn, batches, self.problem.jit_compile)
        for variable, values in zip(self._statistics, found, strict=True):
            variable.assign(np.broadcast_to(values, variable.shape))
        self._renewed.assign(1)

    def functions(self, num_samples: int, seed: Any) -> Functions:
        """One function, that of w̄; of the current weights before the first snapshot."""
        if not self._moving.layers:
            return self._drawn(num_samples, seed)
        if not int(self._renewed.numpy()):  # only the last iterate has statistics
            return self._one(self.trained)
        least = min(check_num_samples(num_samples), self._statistics_kept)
        drawn = self._drawn(least, self.problem.seed)
        return WithValues(drawn, self._moving.variables, [v.value for v in self._statistics])

    def _drawn(self, num_samples: int, seed: Any) -> Functions:
        """The functions, without statistics of their own."""
        del num_samples, seed
        return self._one(self._means if int(self._count.numpy()) else self.trained)

    def _one(self, source: Sequence[keras.Variable]) -> StoredWeights:
        """The function of these values of the trained variables."""
        places = in_model(self.problem.model, self.trained)
        variables = [self.trained[i] for i in places]
        values = [
            tf.cast(tf.convert_to_tensor(source[i]), self.trained[i].dtype)[tf.newaxis]
            for i in places
        ]
        return StoredWeights(variables, values)

    def describe(self) -> dict[str, Any]:
        """Name, what is averaged, and the cost."""
        rate = "the schedule's at the start" if self.learning_rate is None else self.learning_rate
        described = {
            "method": type(self).__name__,
            "posterior": "the average of iterates",
            "averaging_start": self.start,
            "averaging_learning_rate": rate,
        }
        if self.archive is None:
            return described
        return {**described, "num_snapshots": int(self._count.numpy()), **self.cost()}

    @property
    def variables(self) -> list[keras.Variable]:
        """Carry: number of snapshots, averages, moving statistics and the number of gradients."""
        renewed = [*self._statistics, self._renewed] if self._statistics else []
        return [self._count, *self._means, *renewed, *super().variables]


@gin.register(module="bnn.methods")
class SWAG(SWA):
    """w ~ N(w̄, ½ (Σ_diag + D Dᵀ / (K − 1))), a normal fitted to snapshots of the iterates.

    Maddox et al. 2019, equation 1 and algorithm 1: with wᵢ the snapshots of `SWA`,

        Σ_diag = (1/n) Σᵢ (wᵢ − w̄)²,   D = [wᵢ − w̄ᵢ] of the last K, w̄ᵢ the mean up to the i-th
        w = w̄ + √½ Σ_diag^½ ∘ z₁ + D z₂ / √(2 (K − 1)),   z₁ ~ N(0, 1) by weight, z₂ ~ N(0, I_K)

    z₂ is one vector for all tensors of the model: the low-rank part correlates them. The squares
    are summed as deviations (Welford 1962), where the paper's difference of second moment and
    squared mean would be rounding in float32.

    The covariance is that of the optimizer's iterates, which depends on its learning rate and
    batch size; it is the posterior's at one learning rate alone (Mandt et al. 2017), and with an
    adaptive optimizer at none. Snapshots closer than the iterates' correlation, and drift during
    averaging, count as spread, too.

    With BatchNormalization every w needs statistics of its own. They are taken when the training
    ends, for `num_statistics` draws of w by the run's seed, in one reading of the data, and held:
    predictions are by the first of these draws, whatever their seed, and need no data. It costs as
    many forward passes over the data as there are draws.

    Args:
      rank: K, the last snapshots whose deviations are kept, at least 2.
      start: as of `SWA`.
      num_snapshots: as of `SWA`.
      learning_rate: as of `SWA`.
      num_statistics: the most functions of a model with BatchNormalization.
    """

    def __init__(
        self,
        rank: int = 20,
        start: float = 0.75,
        num_snapshots: int = 40,
        learning_rate: float | None = None,
        num_statistics: int = 32,
    ) -> None:
        super().__init__(start, num_snapshots, learning_rate)
        self.rank = whole_number("rank", rank, 2)
        self.num_statistics = whole_number("num_statistics", num_statistics, 1)

    @property
    def _statistics_kept(self) -> int:
        return self.num_statistics

    def build(self, problem: Problem) -> None:
        """Creates averages, squares and columns, zero; raises as `SWA`, or for too many."""
        super().build(problem)
        most = max(2, _MOST_NUMBERS // sum(math.prod(v.shape) for v in self.trained))
        if self.rank > most:
            raise ValueError(
                f"rank must be at most {most}, as it takes that many copies of the weights, got "
                f"{self.rank}; 20 is usual."
            )
        self._squares = [_zeros(v.shape, f"{v.name}_squares") for v in self.trained]
        shapes = [(self.rank, *v.shape) for v in self.trained]
        names = [f"{v.name}_columns" for v in self.trained]
        self._columns = [_zeros(s, n) for s, n in zip(shapes, names, strict=True)]

    def _collect(self, step: int) -> None:
        slot = int(self._count.numpy()) % self.rank
        before = [tf.identity(mean.value) for mean in self._means]
        now = [tf.cast(tf.convert_to_tensor(v), tf.float32) for v in self.trained]
        super()._collect(step)
        for i, (value, old) in enumerate(zip(now, before, strict=True)):
            deviation = value - self._means[i]
            self._squares[i].assign_add((value - old) * deviation)
            columns = tf.convert_to_tensor(self._columns[i])
            self._columns[i].assign(
                tf.tensor_scatter_nd_update(columns, [[slot]], deviation[tf.newaxis])
            )

    def moments(self) -> Moments:
        """What was collected, as arrays."""
        count = int(self._count.numpy())
        kept = min(count, self.rank)
        order = np.arange(count - kept, count) % self.rank
        return Moments(
            count,
            [v.numpy() for v in self._means],
            [v.numpy() / max(count, 1) for v in self._squares],
            [v.numpy()[order] for v in self._columns],
        )

    def _drawn(self, num_samples: int, seed: Any) -> Functions:
        """Draws of all weights; of the current weights alone before the first snapshot."""
        count = int(self._count.numpy())
        if not count:
            return super()._drawn(num_samples, seed)
        kept = min(count, self.rank)
        # Of a single snapshot the spread is not known: the function of the mean.
        factor = 1 / math.sqrt(2 * (kept - 1)) if kept > 1 else 0.0
        places = in_model(self.problem.model, self.trained)
        return LowRankDraws(
            [self.trained[i] for i in places],
            [tf.convert_to_tensor(self._means[i]) for i in places],
            [tf.sqrt(self._squares[i].value / (2.0 * count)) for i in places],
            [factor * self._columns[i].value for i in places],
            num_samples,
            seed,
        )

    def describe(self) -> dict[str, Any]:
        """As of `SWA`, with the rank."""
        described = {**super().describe(), "rank": self.rank}
        return {**described, "posterior": "normal fitted to iterates, diagonal + low rank"}

    @property
    def variables(self) -> list[keras.Variable]:
        """Carry: as of `SWA`, with squares and columns."""
        return [*super().variables, *self._squares, *self._columns]


def whole_number(name: str, value: Any, least: int) -> int:
    """The value as an int; ValueError unless it is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
    return int(value)


def _zeros(shape: Sequence[int], name: str, dtype: str = "float32") -> keras.Variable:
    return keras.Variable(np.zeros(tuple(shape), dtype), dtype=dtype, trainable=False, name=name)
