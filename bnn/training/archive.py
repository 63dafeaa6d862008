"""Values that a method notes while it trains: stored once each, and never changed."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from bnn.training.workers import Workers


class Archive:
    """The values of some variables after every `every`th step, from step `first` on.

    Entries are kept in memory and written beside the checkpoints, each into a file of its own, when
    the next checkpoint is saved; that one says how many of them are its past. So a run that is
    killed finds exactly the entries of the checkpoint that it continues from.

    Args:
      variables: whose values are noted.
      every: steps between two entries, at least 1.
      first: the first step after which an entry may be made.
    """

    def __init__(self, variables: Sequence[keras.Variable], every: int, first: int = 1) -> None:
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every must be an integer of at least 1 step, got {every!r}.")
        self.variables = list(variables)
        self.every, self.first = every, first
        self.entries: list[list[np.ndarray]] = []

    def next_after(self, step: int) -> int:
        """The first step after `step` whose values are noted."""
        return self.every * -(-max(self.first, step + 1) // self.every)

    def note(self, step: int) -> None:
        """Appends the variables' values, where this is one of the steps."""
        if step >= self.first and step % self.every == 0:
            self.entries.append([v.numpy() for v in self.variables])

    def stacked(self) -> list[np.ndarray]:
        """All entries, `[entries, …]` for each variable; before the first, the current values."""
        if not self.entries:
            return [v.numpy()[np.newaxis] for v in self.variables]
        return [np.stack(column) for column in zip(*self.entries, strict=True)]

    def broadcast(self, workers: Workers) -> None:
        """Gives all workers the chief's entries."""
        (count,) = workers.from_chief([len(self.entries)])
        if not workers.is_chief:
            self.entries = [
                [np.zeros_like(v.numpy()) for v in self.variables] for _ in range(count)
            ]
        for entry in self.entries:
            places = [tf.Variable(value, trainable=False) for value in entry]
            workers.broadcast(places)
            entry[:] = [place.numpy() for place in places]
