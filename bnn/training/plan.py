"""When a run trains, reports and saves: everything in steps, fixed before it starts."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math

from bnn.formatting import is_number

MOST_STEPS = 2**32 - 1  # numbers of steps have 32 bits in the noise
MOST_REPORTS = 1_000_000


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
        if not isinstance(self.batch_size, int) or isinstance(self.batch_size, bool):
            raise ValueError(
                f"batch_size must be an integer, got {self.batch_size!r}; 64 is usual."
            )
        if not 1 <= self.batch_size <= self.num_train:
            raise ValueError(
                f"batch_size must be from 1 to the number of training examples, {self.num_train}, "
                f"got {self.batch_size}; 64 is usual."
            )
        for name in ("epochs", "report_every"):
            value = getattr(self, name)
            if not is_number(value) or not 0 < value < math.inf:
                raise ValueError(f"{name} must be a positive number, got {value!r}; 1 is usual.")
        if self.epochs * self.num_train / self.batch_size > MOST_STEPS:
            most = MOST_STEPS * self.batch_size / self.num_train
            raise ValueError(
                f"epochs must be at most {most:.6g} for batches of {self.batch_size} from "
                f"{self.num_train} examples, which are 2³² − 1 steps, got {self.epochs!r}; give "
                "fewer."
            )
        if self.epochs / self.report_every > MOST_REPORTS:
            raise ValueError(
                f"report_every must be at least {self.epochs / MOST_REPORTS:.6g} for "
                f"{self.epochs:g} epochs, which are {MOST_REPORTS} reports, got "
                f"{self.report_every!r}; 1 is usual."
            )

    @property
    def total_steps(self) -> int:
        """Steps until every example was seen `epochs` times."""
        return _ceil(self.epochs * self.num_train / self.batch_size)

    def next_report(self, step: int) -> int | None:
        """The first step after `step` after which metrics are reported; None at the run's end."""
        if step >= self.total_steps:
            return None
        number = max(1, math.floor((step + 0.5) / self._interval))
        while (end := self._report(number)) <= step:
            number += 1
        return end

    def report_number(self, step: int) -> int:
        """The number of the report after `step`, counted from 1."""
        return bisect.bisect_left(self.report_steps, step) + 1

    @property
    def report_steps(self) -> list[int]:
        """The steps after which metrics are reported, in order; the last one is the run's end."""
        steps, step = [], self.next_report(0)
        while step is not None:
            steps.append(step)
            step = self.next_report(step)
        return steps

    @property
    def longest_interval(self) -> int:
        """Steps between two reports, the most that one call can take."""
        steps = [0, *self.report_steps]
        return max(end - begin for begin, end in itertools.pairwise(steps))

    @property
    def _interval(self) -> float:
        """Steps between two reports, not rounded."""
        return self.report_every * self.num_train / self.batch_size

    def _report(self, number: int) -> int:
        """The step of the report of this number, counted from 1."""
        if number >= _ceil(self.epochs / self.report_every):
            return self.total_steps
        return min(max(1, round(number * self._interval)), self.total_steps)

    def epoch(self, step: int) -> float:
        """Epochs seen after `step` steps."""
        return step * self.batch_size / self.num_train


def _ceil(value: float) -> int:
    """The ceiling, to rounding: 0.07 epochs of 100 examples are 7 steps of one, not 8."""
    return math.ceil(value * (1 - 1e-12))
