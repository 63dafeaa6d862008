"""Searches ranges of gin bindings for the lowest validation NLL.

Example:
  python -m launch.tune scale.toml --root=runs/scale --trials=30

The file is that of a sweep with ranges, see launch/tune_file.py. Optuna (pip install 'bnn[tune]')
chooses by TPE, on this machine's cores, and stops trials above the median. The same command goes on
where the search was stopped, with the runs' own checkpoints; more --trials add to it. The root then
holds trials.json (every trial, for `bnn.report`), trials.md and tune.db. The test part chooses
nothing. Exit codes: 0 done, 1 none has finished, 2 a wrong command, 130 Ctrl-C, 42 SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from launch.children import Signals
from launch.command import (
    Parser,
    add_group_options,
    add_module_option,
    at_least,
    check_data_dir,
    run_command,
)
from launch.files import folder, in_words, write_text
from launch.live import Live
from launch.points import Point
from launch.pool import Pool, Task, make_slots, stop_code
from launch.records import failure
from launch.sweep_results import markdown_table, show
from launch.tune_file import Search, read_search
from launch.tune_study import OBJECTIVE, Trials, locked, require_optuna
from launch.wandb_group import group_variables

_USAGE = "python -m launch.tune FILE [options]"
_LOOK_EVERY = 1.0  # seconds between looks at what the runs report
_SHOWN = 10
# So many failures before anything has finished, and the fault is not the choices'.
_HOPELESS = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the process's exit code."""
    options = _parser().parse_only(sys.argv[1:] if argv is None else argv)
    root = Path(options.root or Path("runs") / Path(options.file).stem)
    try:
        file = folder("the search's file", options.file)
        root = folder("--root", root)
        search = read_search(file)
        check_data_dir(search.sweep.arguments)
        slots = make_slots(options.cores, options.cores_per_run, options.gpus_per_run)
        require_optuna()
        with locked(root):
            trials = Trials(search, root, options.seed, options.startup)
            with Signals() as signals, Live(options.trials) as live:
                tuning = Tuning(trials, options, signals, live)
                Pool(slots, signals, options.grace).run(
                    tuning.tasks(), tuning.started, tuning.ended, tuning.watch
                )
            code = _show(trials, search)
            if tuning.fault:
                raise ValueError(tuning.fault)
            return code if signals.stop is None else stop_code(signals)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {in_words(error, root)}", file=sys.stderr)
        return 2


class Tuning:
    """What the pool is told: the next trial, which to stop, and what became of each."""

    def __init__(
        self, trials: Trials, options: argparse.Namespace, signals: Signals, live: Live
    ) -> None:
        self._trials, self._options, self._signals = trials, options, signals
        self._live = live
        self._points: dict[str, Point] = {}
        self._pruned: set[str] = set()
        self._looked = 0.0
        self._failures, self._finished = 0, 0
        self.fault = ""

    def tasks(self) -> Iterator[Task]:
        """Asks for trials until there are enough of them, or they are of no use."""
        while not self.fault and self._trials.count() + len(self._points) < self._options.trials:
            point = self._trials.ask()
            self._points[point.name] = point
            yield Task(
                name=point.name,
                command=run_command(self._options.module, point.arguments),
                environment={"PYTHONUNBUFFERED": "1", **group_variables(self._trials.root)},
                log=self._trials.root / "logs" / f"{point.name}.log",
            )

    def started(self, task: Task) -> None:
        """Says what a trial has chosen."""
        choices = self._points[task.name].choices
        self._live.started(task)
        self._live.say(f"start  {task.name}: {_words(choices)}")

    def watch(self, names: Sequence[str]) -> Iterable[str]:
        """The runs that are to be stopped: those above the median, or all after a fault."""
        self._live.look()
        if time.monotonic() - self._looked < _LOOK_EVERY:
            return []
        self._looked = time.monotonic()
        if self.fault:
            return names
        try:
            found = [n for n in names if n not in self._pruned and self._trials.to_prune(n)]
        except ValueError as error:
            self.fault = str(error)
            return names
        self._pruned.update(found)
        return found

    def ended(self, task: Task, code: int, seconds: float) -> None:
        """Tells the study how a trial ended."""
        name = task.name
        self._live.ended(task)
        del self._points[name]
        stopped = self._signals.stop is not None or bool(self.fault)
        if code == 0 and (self._trials.root / name / "results.json").exists():
            try:
                value = self._trials.finish(name)
            except ValueError as error:
                self.fault = str(error)
                return
            self._finished += 1
            line = f"validation NLL {show(value, None)} after {seconds:.0f} s"
        elif name in self._pruned:
            self._trials.prune(name)
            line = f"pruned after {seconds:.0f} s"
        elif stopped:
            line = "stopped"  # it stays a running trial, which the next command takes up
        else:
            line = failure(code, task.log)
            self._trials.fail(name, line)
            self._failures += 1
            if self._failures >= _HOPELESS and not self._finished:
                self.fault = f"{self._failures} of {self._failures} runs failed; {task.log}: {line}"
        self._live.say(f"{name}: {line}")


def _words(choices: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in choices.items())


def _show(trials: Trials, search: Search) -> int:
    """Writes and prints the trials; 0 if there is a best one."""
    rows = trials.write()
    labels = list(search.space)
    lines = [
        [
            row["folder"],
            *(str(row["choices"][name]) for name in labels),
            "–" if row[OBJECTIVE] is None else show(row[OBJECTIVE], None),
            row["state"],
        ]
        for row in rows
    ]
    headings = ["trial", *labels, "validation NLL, nats", "state"]
    write_text(trials.root / "trials.md", markdown_table([headings, *lines]))
    if not rows:
        return 1
    print("\n" + markdown_table([headings, *lines[:_SHOWN]]), end="")
    if len(rows) > _SHOWN:
        print(f"{len(rows) - _SHOWN} more: {trials.root / 'trials.md'}")
    if rows[0][OBJECTIVE] is None:
        return 1
    name = rows[0]["folder"]
    choices = rows[0]["choices"]
    print(f"best: {name}, {_words({key: str(value) for key, value in choices.items()})}")
    return 0


def _parser() -> Parser:
    parser = Parser(__doc__, _USAGE)
    add = parser.add_argument
    add("file", help="the search's TOML file")
    add("--root", help="folder of the search (default: runs/<name of the file>)")
    add("--trials", type=at_least(1), default=30, help="in all, with those before (default: 30)")
    add("--startup", type=at_least(1), default=10, help="random ones at first (default: 10)")
    add("--seed", type=at_least(0), default=0, help="of the search (default: 0)")
    add("--cores", type=at_least(1), help="cores to use (default: all)")
    add("--cores_per_run", type=at_least(1), default=1, help="cores of each run (default: 1)")
    add("--gpus_per_run", type=at_least(0), help="GPUs of each run (default: 1 if there are any)")
    add_group_options(parser)
    add_module_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
