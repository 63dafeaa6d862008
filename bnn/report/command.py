"""What the command does, apart from its flags."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from bnn.report.build import build_report


def write(paths: Sequence[str], output: str, traceback: bool = False, **options: Any) -> int:
    """Writes the report, prints where it is or what was wrong; the process's exit code.

    Args:
      paths: of runs and sweeps.
      output: the report's folder.
      traceback: raise errors instead of printing them.
      **options: of `build_report`.
    """
    if not paths:
        usage = "python -m bnn.report RUN… --output=DIR"
        print(f"error: name at least one run or sweep: {usage}", file=sys.stderr)
        return 1
    try:
        page = build_report(paths, output, **options)
    except (ValueError, OSError) as error:
        if traceback:
            raise
        print(f"error: {error}\n(--traceback shows where)", file=sys.stderr)
        return 1
    print(page)
    return 0
