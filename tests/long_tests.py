"""Which tests take long: `tests/long_tests.txt`, written from a run's own durations.

    pytest -n 2 -m 'not slow and not exhaustive' --durations=0 | python -m tests.long_tests

The everyday run leaves them out, and `.ci/run` runs them. A list and not a mark in the code: what
takes long is measured, and often one cell of a table and not its neighbours.
"""

import pathlib
import re
import sys
from collections.abc import Iterable
from typing import Any

LIST = pathlib.Path(__file__).with_name("long_tests.txt")
SECONDS = 1.25  # of a call; fixtures that many tests share move to the next of them
_LINE = re.compile(r"\s*([\d.]+)s call\s+(tests/.+?)\s*$")


def listed() -> frozenset[str]:
    """Node ids of the tests that take long."""
    return frozenset(LIST.read_text(encoding="utf-8").splitlines())


def long_ones(lines: Iterable[str]) -> list[str]:
    """Node ids of the calls that took longer, of the table of durations that pytest prints."""
    found = (_LINE.match(line) for line in lines)
    return sorted(m[2] for m in found if m and float(m[1]) > SECONDS)


def mark(items: Iterable[Any]) -> None:
    """Gives the mark `long` to those of pytest's items that are listed."""
    long = listed()
    for item in items:
        if item.nodeid in long:
            item.add_marker("long")


if __name__ == "__main__":
    LIST.write_text("\n".join(long_ones(sys.stdin)) + "\n", encoding="utf-8")
