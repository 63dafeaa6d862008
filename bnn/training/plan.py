"""When a run trains, reports and saves: everything in steps, fixed before it starts."""

from __future__ import annotations

import dataclasses
import itertools
import math


@dataclasses.dataclass(frozen=True)
class Plan:
    """The steps of a run.

    Epochs are counted in examples: the data order is one stream in which every epoch holds each
    example once, and step n ends epoch n · batch_size / num_train.

    Attributes:
      num_train: training examples.
      batch_size: examples per step.
      epochs: passes over the training examples.
      report_every: epochs between two lines of metrics.
    """

    num_train: int
    batch_size: int
    epochs: float
    report_every: float

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.num_train:
            raise ValueError(
                f"batch_size must be from 1 to the number of training examples, {self.num_train}, "
                f"got {self.batch_size}."
            )
        for name in ("epochs", "report_every"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}.")

    @property
    def total_steps(self) -> int:
        """Steps until every example was seen `epochs` times."""
        return _ceil(self.epochs * self.num_train / self.batch_size)

    @property
    def report_steps(self) -> list[int]:
        """The steps after which metrics are reported, in order; the last one is the run's end."""
        count = _ceil(self.epochs / self.report_every)
        ends = (k * self.report_every * self.num_train / self.batch_size for k in range(1, count))
        return sorted({max(1, round(end)) for end in ends} | {self.total_steps})

    @property
    def longest_interval(self) -> int:
        """Steps between two reports, the most that one call can take."""
        steps = [0, *self.report_steps]
        return max(end - begin for begin, end in itertools.pairwise(steps))

    def epoch(self, step: int) -> float:
        """Epochs seen after `step` steps."""
        return step * self.batch_size / self.num_train


def _ceil(value: float) -> int:
    """The ceiling, to rounding: 0.07 epochs of 100 examples are 7 steps of one, not 8."""
    return math.ceil(value * (1 - 1e-12))
