"""A tracker whose failures do not reach the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from absl import logging

from bnn.tracking.tracker import RunInfo, Tracker


class Guarded(Tracker):
    """Hands every call to `tracker` and lets none of its exceptions out.

    The first one is logged with its reason; a tracker whose `start` failed gets no further calls.
    A stop by the user (`KeyboardInterrupt`) is no failure and passes.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._started = False
        self._warned = False

    def start(self, run: RunInfo) -> None:
        """Starts the tracker; where that fails, it is left out from then."""
        self._started = self._attempt(self._tracker.start, run)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records `values` at `step`, if it can be done."""
        if self._started:
            self._attempt(self._tracker.log, step, values)

    def figure(self, name: str, path: Path, step: int) -> None:
        """Records the image at `path`, if it can be done."""
        if self._started:
            self._attempt(self._tracker.figure, name, path, step)

    def artifact(self, name: str, files: Mapping[str, Path]) -> None:
        """Records the files, if it can be done."""
        if self._started:
            self._attempt(self._tracker.artifact, name, files)

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Finishes the tracker, if it can be done."""
        if self._started:
            self._attempt(self._tracker.finish, results, failed)

    def _attempt(self, call: Callable[..., None], *args: Any) -> bool:
        """Calls one method of the tracker; says whether it succeeded."""
        try:
            call(*args)
        except Exception as error:
            if not self._warned:
                self._warned = True
                logging.warning(
                    "%s.%s failed (%s: %s). The run goes on; later failures of this tracker are "
                    "not reported.",
                    type(self._tracker).__name__,
                    call.__name__,
                    type(error).__name__,
                    error,
                )
            return False
        return True
