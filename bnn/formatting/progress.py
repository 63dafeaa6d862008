"""A bar on a terminal while something takes long, one at a time."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

_QUICK = 2.0  # seconds, after which a bar appears
_ROOM = threading.Lock()  # a terminal has room for one live bar


def is_terminal(stream: TextIO) -> bool:
    """Whether lines can be moved and rewritten there."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def claim_terminal() -> bool:
    """Takes the room of the one live bar; False where another has it."""
    return _ROOM.acquire(blocking=False)


def release_terminal() -> None:
    """Gives the room back that `claim_terminal` took."""
    _ROOM.release()


@contextlib.contextmanager
def progress_bar(
    what: str, total: int | None, shown: bool = True
) -> Iterator[Callable[[float], None]]:
    """A bar on standard error, gone at the end; the caller advances it by what is done.

    There is none where standard error is no terminal, where another bar is live, and until two
    seconds have gone by: what is done by then was quick.

    Args:
      what: is done, such as "predicting".
      total: of what is counted; None where it is not known.
      shown: False: never a bar.
    """
    if not (shown and is_terminal(sys.stderr) and claim_terminal()):
        yield lambda count: None
        return
    bar = _Bar(what, total)
    try:
        yield bar.advance
    finally:
        bar.close()
        release_terminal()


class _Bar:
    """What is done so far, and the bar once it takes long."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total, self._done = what, total, 0.0
        self._started = time.monotonic()
        self._progress: Progress | None = None

    def advance(self, count: float) -> None:
        self._done += count
        ended = self._total is not None and self._done >= self._total
        if self._progress is None and not ended and time.monotonic() - self._started > _QUICK:
            self._progress = self._begun()
        elif self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=self._done)

    def _begun(self) -> Progress:
        from rich import console, progress

        bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=16),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=console.Console(file=sys.stderr, force_terminal=True),
            transient=True,
            redirect_stdout=False,  # which may be a file
            refresh_per_second=4,
        )
        bar.add_task(self._what, total=self._total, completed=int(self._done))
        bar.start()
        return bar

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
