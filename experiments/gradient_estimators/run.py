"""Runs the study: python -m experiments.gradient_estimators.run [--parts=1,3] [--fast]."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
HERE = Path(__file__).parent
# Number: module with `run(folder, fast)`, and title.
PARTS = {
    1: ("textbook", "The textbook case"),
    2: ("sgvb", "Variational inference against the exact posterior"),
    3: ("network", "A real network"),
    4: ("dimensions", "The score function in many dimensions"),
}


def main() -> None:
    """Runs the chosen parts; each writes its results before the next one starts."""
    arguments = parse()
    from experiments.gradient_estimators.tables import fill_readme, write_part, write_whole

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # warnings of intended retracing
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    whole = Clock()
    for number in arguments.parts:
        module, title = PARTS[number]
        print(f"part {number}: {title} …", flush=True)
        clock = Clock()
        part = importlib.import_module(f"experiments.gradient_estimators.{module}").run(
            folder, arguments.fast
        )
        part.facts["time"] = clock.read()
        if arguments.fast:
            part.facts["sizes"] = "FAST: for tests, not for reading"
        command = f"python -m experiments.gradient_estimators.run --parts={number}"
        write_part(folder, number, title, part, command)
        print(f"part {number}: {part.facts['time']}", flush=True)
    if arguments.parts == list(PARTS):
        command = "python -m experiments.gradient_estimators.run"
        write_whole(folder, command, {"all parts": whole.read()})
    if folder == HERE / "results":
        fill_readme(HERE / "README.md", folder)


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


def parse() -> argparse.Namespace:
    """The command line, before anything slow is imported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--parts", type=_numbers, default=list(PARTS), help="which parts, such as 1,3; default all"
    )
    parser.add_argument("--fast", action="store_true", help="tiny sizes, in under a minute")
    parser.add_argument(
        "--output",
        type=Path,
        default=HERE / "results",
        help="folder of the results; the README is filled only from the default one",
    )
    arguments = parser.parse_args()
    if arguments.fast and arguments.output == HERE / "results":
        parser.error("--fast needs --output: its numbers must not replace the study's.")
    return arguments


def _numbers(text: str) -> list[int]:
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or not set(numbers) <= set(PARTS):
        raise argparse.ArgumentTypeError(
            f"must be numbers from {min(PARTS)} to {max(PARTS)} with commas, got {text!r}; "
            "such as 1,3"
        )
    return numbers


if __name__ == "__main__":
    main()
