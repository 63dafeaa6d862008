"""What the command does, apart from its flags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from bnn.report.build import build_report


def write(
    paths: Sequence[str],
    output: str,
    traceback: bool = False,
    rephrase: Callable[[str], str] = str,
    **options: Any,
) -> int:
    """Writes the report, prints where it is or what was wrong; the process's exit code.

    Args:
      paths: of runs and sweeps.
      output: the report's folder.
      traceback: raise errors instead of printing them.
      rephrase: what an error says, in the words of the command line.
      **options: of `build_report`.
    """
    if not paths:
        usage = "python -m bnn.report RUN… --output=DIR"
        print(f"error: name at least one run or sweep: {usage}", file=sys.stderr)
        return 1
    try:
        page = build_report(paths, output, say=_say, **options)
    except (ValueError, OSError) as error:
        if traceback:
            raise
        _say(f"error: {rephrase(str(error))}\n(--traceback shows where)")
        return 1
    print(_printable(str(page)))
    return 0


def _say(line: str) -> None:
    print(_printable(line), file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """The text, with a replacement for what a folder's name has that is no text."""
    return text.encode("utf-8", "replace").decode("utf-8")
