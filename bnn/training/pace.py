"""How many steps one compiled call takes, so that a signal never waits long for its end."""

from __future__ import annotations


class Pace:
    """Steps per call: as many as last about a second, found by doubling.

    Args:
      most: upper bound.
      seconds: how long a call may last, beyond one step.
    """

    def __init__(self, most: int, seconds: float = 1.0) -> None:
        self.count = 1
        self._most = most
        self._seconds = seconds

    def took(self, count: int, seconds: float) -> None:
        """Takes note of a call of `count` steps; the first ones include the compilation."""
        allowed = int(self._seconds * count / max(seconds, 1e-9))
        longest = max(2 * count, self.count)  # a call cut short by a report says little of longer
        self.count = max(1, min(allowed, longest, self._most))
