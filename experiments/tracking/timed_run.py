"""`python -m bnn.run`, which also notes how long its trackers held it up.

Takes the same arguments; the variable TRACKING_TIMES names the file to write: seconds in all
trackers together (console and `metrics.jsonl` included) by call.
"""

from __future__ import annotations

import collections
import functools
import json
import os
import time
from pathlib import Path
from typing import Any

from absl import app

from bnn import run
from bnn.tracking import Trackers

_SECONDS: dict[str, float] = collections.defaultdict(float)


def _timed(name: str) -> Any:
    call = getattr(Trackers, name)

    @functools.wraps(call)
    def timed(*args: Any, **options: Any) -> None:
        begin = time.perf_counter()
        try:
            call(*args, **options)
        finally:
            _SECONDS[name] += time.perf_counter() - begin

    return timed


def main(argv: list[str]) -> int:
    """Runs the command line with clocks around the trackers."""
    for name in ("start", "log", "figure", "artifact", "finish"):
        setattr(Trackers, name, _timed(name))
    code = run.main(argv)
    Path(os.environ["TRACKING_TIMES"]).write_text(json.dumps(_SECONDS))
    return code


if __name__ == "__main__":
    app.run(main)
