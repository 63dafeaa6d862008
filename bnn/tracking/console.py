"""Progress and results for the person who watches."""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import gin
from rich import box, console, progress, table, text

from bnn.formatting import claim_terminal, is_terminal, release_terminal, show
from bnn.tracking.qualities import qualities_by_target
from bnn.tracking.tracker import RunInfo, Tracker
from bnn.tracking.values import flatten, scalars

_LOSSES = ("loss", "nll", "kl")
_QUALITIES = ("accuracy", "rmse", "valid_accuracy", "valid_rmse", "valid_nll")
# Targets of several that are named in a line: all of a line is to be read at one glance.
_MOST_TARGETS, _MOST_BESIDE_A_BAR = 4, 2


@gin.register(module="bnn.tracking")
class Console(Tracker):
    """Shows step, loss, nll, kl, accuracy (or RMSE) and the time left, and the final results.

    Of several targets it names the first ones with the RMSE (or accuracy) of each, in its unit.

    On a terminal this is a progress bar and a table; elsewhere one plain line per `log`, without
    escape codes.

    Args:
        total_steps: The last step of the run; None if it is not known (no time left is shown).
        stream: Where to write; standard output by default.
    """

    def __init__(self, total_steps: int | None = None, stream: TextIO | None = None) -> None:
        if total_steps is not None and total_steps < 1:
            raise ValueError(
                f"total_steps must be at least 1, got {total_steps}; leave it None if not known."
            )
        self._total = total_steps
        self._stream = stream
        self._display: _Bar | _Lines | None = None

    def start(self, run: RunInfo) -> None:
        """Says which run starts, from which step if it is resumed, and what its numbers are in."""
        stream = sys.stdout if self._stream is None else self._stream
        first = run.resumed_step or 0
        kind = _Bar if is_terminal(stream) else _Lines
        self._display = kind(stream, self._total, first, run.target_units)
        resumed = f", resumed from step {first}" if run.resumed_step is not None else ""
        self._display.say(f"run {run.name} in {run.workdir}{resumed}")
        if run.units:
            self._display.say(f"units: {run.units}")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Shows one line, or moves the bar."""
        if self._display is not None:
            self._display.advance(int(step), scalars(values))

    def figure(self, name: str, path: Path, step: int) -> None:
        """Says where the figure is."""
        if self._display is not None:
            self._display.say(f"figure {name}: {path}")

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Ends the bar and shows the results as a table."""
        if self._display is None:
            return
        display, self._display = self._display, None
        rows = [(name, _shown(value)) for name, value in flatten(results).items()]
        display.close("run not finished" if failed else "results", rows)


class _Lines:
    """Plain lines for a file or a pipe."""

    def __init__(
        self, stream: TextIO, total: int | None, first: int, units: Mapping[str, str]
    ) -> None:
        self._stream, self._total, self._first, self._units = stream, total, first, units
        self._started = time.monotonic()

    def say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def advance(self, step: int, values: Mapping[str, float]) -> None:
        parts = [f"step {step}" if self._total is None else f"step {step}/{self._total}"]
        parts += [f"{k} {_shown(values[k])}" for k in (*_LOSSES, *_QUALITIES) if k in values]
        parts += qualities_by_target(values, self._units, _MOST_TARGETS, _shown)
        if self._total is not None and self._first < step <= self._total:
            pace = (time.monotonic() - self._started) / (step - self._first)
            parts.append(f"eta {_clock(pace * (self._total - step))}")
        self.say("  ".join(parts))

    def close(self, title: str, rows: list[tuple[str, str]]) -> None:
        self.say(title)
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            self.say(f"  {name:<{width}}  {value}")


class _Bar:
    """A progress bar for a terminal."""

    def __init__(
        self, stream: TextIO, total: int | None, first: int, units: Mapping[str, str]
    ) -> None:
        self._units = units
        self._console = console.Console(file=stream, force_terminal=True, highlight=False)
        bar = [progress.BarColumn(bar_width=16)] if self._console.width >= 100 else []
        self._progress = progress.Progress(
            progress.TextColumn("step"),
            *bar,  # the numbers matter more where there is no room for both
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[metrics]}", markup=False),
            progress.TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=total, completed=first, metrics="")
        self._values: dict[str, float] = {}
        self._alone = claim_terminal()  # metrics on the way show no bars of their own
        self._progress.start()
        atexit.register(self._progress.stop)  # a crash must not leave the cursor hidden

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def advance(self, step: int, values: Mapping[str, float]) -> None:
        self._values.update(values)
        keys = [key for key in _LOSSES if key in self._values]
        keys += [key for key in _QUALITIES if key in self._values][:1]
        parts = [f"{key} {_shown(self._values[key])}" for key in keys]
        parts += qualities_by_target(self._values, self._units, _MOST_BESIDE_A_BAR, _shown)
        self._progress.update(self._task, completed=step, metrics=" ".join(parts))

    def close(self, title: str, rows: list[tuple[str, str]]) -> None:
        self._progress.stop()
        atexit.unregister(self._progress.stop)
        if self._alone:
            release_terminal()
        if not rows:
            self.say(title)
            return
        result = table.Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
        result.add_column("name")
        result.add_column("value", justify="right")
        for name, value in rows:
            result.add_row(text.Text(name), text.Text(value))
        self._console.print(result)


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    # A large KL moves in its tenths.
    return f"{value:.1f}" if 1e3 <= abs(value) < 1e7 else show(value, trim=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
