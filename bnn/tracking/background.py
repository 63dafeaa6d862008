"""A tracker that works beside the run, on a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging

from bnn.tracking.tracker import RunInfo, Tracker
from bnn.tracking.values import scalars


class Background(Tracker):
    """Hands every call to `tracker` in order, on a thread, so that the run never waits for it.

    Only `finish` waits: until the tracker has done everything, but no longer than `patience`
    seconds. What has not been done by then is given up with a warning. The thread does not keep
    the process alive.

    Args:
        tracker: What does the work; it must not raise (`Guarded`).
        patience: The longest wait of `finish`, in seconds.
    """

    def __init__(self, tracker: Tracker, patience: float) -> None:
        self._tracker = tracker
        self._wait = patience
        self._calls: queue.SimpleQueue[tuple[str, tuple[Any, ...]]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="bnn-tracker", daemon=True)

    def start(self, run: RunInfo) -> None:
        """Starts the thread and, on it, the tracker."""
        self._calls.put(("start", (run,)))
        self._thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Puts the values in line, as they are now: tensors and arrays may change later."""
        try:
            plain: Mapping[str, Any] = scalars(values)
        except (TypeError, ValueError):  # the tracker's to refuse, where its failures are caught
            plain = dict(values)
        self._calls.put(("log", (int(step), plain)))

    def figure(self, name: str, path: Path, step: int) -> None:
        """Puts the image in line."""
        self._calls.put(("figure", (name, path, step)))

    def artifact(self, name: str, files: Mapping[str, Path]) -> None:
        """Puts the files in line."""
        self._calls.put(("artifact", (name, dict(files))))

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Waits until everything is recorded, at most the patience."""
        self._calls.put(("finish", (results, failed)))
        if not self._thread.is_alive():  # never started
            return
        self._thread.join(self._wait)
        if self._thread.is_alive():
            logging.warning(
                "A tracker was not done %g s after the end of the run and is given up; the run's "
                "own files are complete.",
                self._wait,
            )

    def _work(self) -> None:
        name = ""
        while name != "finish":
            name, args = self._calls.get()
            getattr(self._tracker, name)(*args)
