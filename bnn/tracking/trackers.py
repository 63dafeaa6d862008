"""Several trackers as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from bnn.tracking.tracker import RunInfo, Tracker


class Trackers(Tracker):
    """Hands every call to each of `trackers`, the essential ones first.

    An exception of a tracker that is not essential is logged once for that tracker, with its
    reason, and never reaches the caller; one whose `start` failed gets no further calls. An
    exception of an essential tracker (`Jsonl`) is raised, in `finish` after all the others have
    finished.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        for tracker in trackers:
            if not isinstance(tracker, Tracker):
                raise TypeError(
                    f"trackers must hold Tracker objects, got {tracker!r}; "
                    "in gin write the object with its brackets, as in @WandB()."
                )
        self._trackers = sorted(trackers, key=lambda tracker: not tracker.essential)
        self._warned: set[int] = set()

    def start(self, run: RunInfo) -> None:
        """Starts every tracker; those that fail and are not essential are left out from then."""
        self._trackers = [
            tracker for tracker in self._trackers if self._attempt(tracker, tracker.start, run)
        ]

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records `values` at `step` with every tracker."""
        for tracker in self._trackers:
            self._attempt(tracker, tracker.log, step, values)

    def figure(self, name: str, path: Path, step: int) -> None:
        """Records the image at `path` with every tracker."""
        for tracker in self._trackers:
            self._attempt(tracker, tracker.figure, name, path, step)

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Finishes every tracker, then raises what an essential one raised."""
        errors = []
        for tracker in self._trackers:
            try:
                self._attempt(tracker, tracker.finish, results, failed)
            except Exception as error:  # raised below: the others must still be finished
                errors.append(error)
        if errors:
            raise errors[0]

    def _attempt(self, tracker: Tracker, call: Callable[..., None], *args: Any) -> bool:
        """Calls one method of `tracker`; says whether it succeeded."""
        try:
            call(*args)
        except Exception as error:
            if tracker.essential:
                raise
            if id(tracker) not in self._warned:
                self._warned.add(id(tracker))
                logging.warning(
                    "%s.%s failed (%s: %s). The run goes on; later failures of this tracker are "
                    "not reported.",
                    type(tracker).__name__,
                    call.__name__,
                    type(error).__name__,
                    error,
                )
            return False
        return True
