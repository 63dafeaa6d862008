"""Runs the study: python -m experiments.gradient_estimators.run [--parts=1,3] [--fast]."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
from pathlib import Path

from experiments.gradient_estimators.tables import readme_parts, write_part, write_whole
from experiments.study import names_of, parse_options, study_parser, write_readme

HERE = Path(__file__).parent
# Number: module with `run(folder, fast)`, and title.
PARTS = {
    "1": ("textbook", "The textbook case"),
    "2": ("sgvb", "Variational inference against the exact posterior"),
    "3": ("network", "A real network"),
    "4": ("dimensions", "The score function in many dimensions"),
}
_COMMAND = "python -m experiments.gradient_estimators.run"


def main(argv: list[str] | None = None) -> int:
    """Runs the chosen parts; each writes its results before the next one starts."""
    options = parse(argv)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # warnings of intended retracing
    folder = options.output / "results"
    folder.mkdir(parents=True, exist_ok=True)
    whole = Clock()
    for number in () if options.report else options.parts:
        module, title = PARTS[number]
        print(f"part {number}: {title} …", flush=True)
        clock = Clock()
        part = importlib.import_module(f"experiments.gradient_estimators.{module}").run(
            folder, options.fast
        )
        part.facts["time"] = clock.read()
        if options.fast:
            part.facts["sizes"] = "FAST: for tests, not for reading"
        write_part(folder, number, title, part, f"{_COMMAND} --parts={number}")
        print(f"part {number}: {part.facts['time']}", flush=True)
    if options.parts == list(PARTS) and not options.report:
        write_whole(folder, _COMMAND, {"all parts": whole.read()})
    write_readme(HERE / "README.md", readme_parts(folder), options.output)
    return 0


class Clock:
    """Time since its making, and what else the machine did meanwhile.

    The processor's seconds are the program's own: where other programs take their share they still
    say how long it would have run alone.
    """

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._start = time.perf_counter(), time.process_time()

    def read(self) -> str:
        """Seconds, of the clock and of the processor, cores and load."""
        now = time.perf_counter(), time.process_time()
        seconds, busy = (b - a for a, b in zip(self._start, now, strict=True))
        return (
            f"{seconds:.0f} s, {busy:.0f} s of processor time, on {os.cpu_count()} cores with load "
            f"{self._load:.1f} before and {os.getloadavg()[0]:.1f} after"
        )


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = study_parser(__doc__, HERE)
    parser.add_argument(
        "--parts", type=names_of(PARTS), default=list(PARTS), help="such as 1,3; default all"
    )
    return parse_options(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
