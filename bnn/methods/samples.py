"""The archive of a sampler: after which steps of a run a sample is kept."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import keras
import numpy as np

from bnn.schedules import Schedule
from bnn.training import Archive

# Kept of a run where nothing is said of thinning.
USUAL_SAMPLES = 100
_CHUNK = 2**16


class Samples(Archive):
    """The values of some variables after the steps of a fixed list.

    Args:
      variables: whose values are kept.
      steps: rising, each counted as the number of steps taken.
    """

    def __init__(self, variables: Sequence[keras.Variable], steps: Sequence[int]) -> None:
        self.steps = list(steps)
        between = min(np.diff(self.steps), default=1)
        super().__init__(variables, int(between), self.steps[0])

    def next_after(self, step: int) -> int:
        """The first step of the list after `step`; one that never comes after the last."""
        place = bisect.bisect_right(self.steps, step)
        return self.steps[place] if place < len(self.steps) else self.steps[-1] + step + 1

    def note(self, step: int) -> None:
        """Keeps the variables' values, where this is one of the steps."""
        place = bisect.bisect_left(self.steps, step)
        if place < len(self.steps) and self.steps[place] == step:
            self.entries.append([v.numpy() for v in self.variables])


def sample_steps(
    schedule: Schedule, total_steps: int, burn_in: int, thinning: int | None
) -> list[int]:
    """The steps after which a sample is kept.

    Args:
      schedule: of the step size, which says where samples may be taken.
      total_steps: of the training.
      burn_in: steps before the first that may be kept.
      thinning: steps from one sample to the next; where None, what leaves about a hundred.

    Raises:
      ValueError: no step is left.
    """
    taken = np.arange(burn_in + 1, total_steps + 1)
    begun = ((taken - 1) / total_steps).astype(np.float32)  # the step's own progress, as it began
    chunks = [begun[i : i + _CHUNK] for i in range(0, len(begun), _CHUNK)]
    allowed = [np.broadcast_to(schedule.sampling(c), c.shape) for c in chunks]
    taken = taken[np.concatenate([np.zeros(0, bool), *allowed])]
    if thinning is None:
        thinning = max(1, len(taken) // USUAL_SAMPLES)
    kept = taken[thinning - 1 :: thinning]
    if not len(kept):
        raise ValueError(
            f"thinning must leave a sample, got {thinning} with {len(taken)} steps that samples "
            f"may be taken at, of {total_steps}; train for more epochs, or lower burn_in or "
            "thinning."
        )
    return [int(step) for step in kept]
