"""Several trackers as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn.tracking.background import Background
from bnn.tracking.console import Console
from bnn.tracking.guarded import Guarded
from bnn.tracking.jsonl import Jsonl
from bnn.tracking.tracker import RunInfo, Tracker


class Trackers(Tracker):
    """Hands every call to each of `trackers`, the essential ones first.

    An exception of a tracker that is not essential is logged once for that tracker, with its
    reason, and never reaches the caller (`Guarded`); one that has a `patience` works on a thread of
    its own (`Background`). An exception of an essential tracker (`Jsonl`) is raised, in `finish`
    after all the others have finished.

    Raises:
        TypeError: If one of `trackers` is not a Tracker object.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        for tracker in trackers:
            if not isinstance(tracker, Tracker):
                raise TypeError(
                    f"trackers must hold Tracker objects, got {tracker!r}; "
                    "in gin write the object with its brackets, as in @WandB()."
                )
        ordered = sorted(trackers, key=lambda tracker: not tracker.essential)
        self._trackers = [_harmless(tracker) for tracker in ordered]

    def start(self, run: RunInfo) -> None:
        """Starts every tracker; those that fail and are not essential are left out from then."""
        for tracker in self._trackers:
            tracker.start(run)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records `values` at `step` with every tracker."""
        for tracker in self._trackers:
            tracker.log(step, values)

    def figure(self, name: str, path: Path, step: int) -> None:
        """Records the image at `path` with every tracker."""
        for tracker in self._trackers:
            tracker.figure(name, path, step)

    def artifact(self, name: str, files: Mapping[str, Path]) -> None:
        """Offers the files to every tracker."""
        for tracker in self._trackers:
            tracker.artifact(name, files)

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Finishes every tracker, then raises what an essential one raised."""
        errors = []
        for tracker in self._trackers:
            try:
                tracker.finish(results, failed)
            except Exception as error:  # raised below: the others must still be finished
                errors.append(error)
        if errors:
            raise errors[0]


def run_trackers(chosen: Sequence[Tracker], total_steps: int | None = None) -> Trackers:
    """Console and `metrics.jsonl`, which every run has, and the `chosen` trackers, as one.

    A chosen `Console` takes the place of the standard one.

    Args:
        chosen: Any number of trackers, of different classes.
        total_steps: The last step of the run, for the standard console.

    Raises:
        TypeError: If one of `chosen` is not a Tracker object.
        ValueError: If two are of the same class: they would write the same files.
    """
    kinds = [type(tracker) for tracker in chosen]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(
                f"tracker must hold at most one {kind.__name__}, got {kinds.count(kind)}, which "
                "would write the same files; choose trackers of different classes."
            )
    standard: list[Tracker] = []
    if Jsonl not in kinds:
        standard.append(Jsonl())
    if Console not in kinds:
        standard.append(Console(total_steps))
    return Trackers([*standard, *chosen])


def _harmless(tracker: Tracker) -> Tracker:
    if tracker.essential:
        return tracker
    guarded = Guarded(tracker)
    return guarded if tracker.patience is None else Background(guarded, tracker.patience)
