"""A live line for every run that is under way, on a terminal; plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from launch.pool import Task
from launch.records import last_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live as RichLive

_EVERY = 1.0  # seconds between looks into the logs


class Live:
    """What the runs of a pool say, a line each, below the lines that stay.

    Args:
      total: runs in all; None where it is not known.
      stream: where to write; standard output by default.
    """

    def __init__(self, total: int | None = None, stream: TextIO | None = None) -> None:
        self._total, self._stream = total, stream
        self._running: dict[str, tuple[Task, float]] = {}
        self._done = 0
        self._looked = 0.0
        self._live: RichLive | None = None

    def __enter__(self) -> Live:
        stream = sys.stdout if self._stream is None else self._stream
        if stream.isatty():
            from rich.console import Console
            from rich.live import Live as RichLive

            console = Console(file=stream, highlight=False)
            if console.is_terminal and not console.is_dumb_terminal:
                self._live = RichLive(
                    console=console, auto_refresh=False, transient=True, redirect_stdout=False
                )
                self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, line: str) -> None:
        """Prints a line that stays."""
        if self._live is None:
            print(line, file=self._stream, flush=True)
        else:
            self._live.console.print(line, markup=False, soft_wrap=True)

    def started(self, task: Task) -> None:
        """Begins the line of a run."""
        self._running[task.name] = task, time.monotonic()
        self._looked = 0.0

    def ended(self, task: Task) -> None:
        """Ends the line of a run."""
        self._running.pop(task.name, None)
        self._done += 1
        self._looked = 0.0

    def look(self) -> None:
        """Shows the last line of every log, at most once a second."""
        if self._live is None or time.monotonic() - self._looked < _EVERY:
            return
        self._looked = time.monotonic()
        self._live.update(self._shown(), refresh=True)

    def _shown(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        of = "" if self._total is None else f" of {self._total}"
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=2)
        table.expand = True
        table.add_row(Text(f"{self._done}{of} ended"), "", "")
        for name, (task, since) in self._running.items():
            seconds = int(time.monotonic() - since)
            clock = f"{seconds // 60}:{seconds % 60:02}"
            table.add_row(Text(name), clock, Text(last_line(task.log)))
        return table
