"""Computes one step of a run again and prints what it is made of.

Example:
  python -m bnn.replay --workdir=runs/digits --step=1200

Starts from the newest checkpoint at or before the step, or from the initial weights, takes the
steps between, and shows the step itself: loss terms, KL and gradient norms by layer, and the first
operation that gave NaN or infinity. Writes nothing; the run may be stopped, finished or failed.
Exit codes: 0 the step is finite, 3 it is not, 1 error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

_NOT_FINITE = 3
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_STEP = flags.DEFINE_integer(
    "step", None, "Step to look at, counted from 0; an error message names it.", required=True
)
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings",
    [],
    "Binding that wins over the run's configuration, such as 'run.strategy = @Mirrored()' for a "
    "run of several workers; repeatable.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data sets; the variable BNN_DATA_DIR where absent."
)
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show the whole traceback of an error.")


def main(argv: Sequence[str]) -> int:
    """Reads the run's configuration, replays the step and prints the report; the exit code."""
    if len(argv) > 1:
        print(f"error: unexpected argument {argv[1]!r}; options start with --", file=sys.stderr)
        return 2
    if _DATA_DIR.value is not None:
        os.environ["BNN_DATA_DIR"] = _DATA_DIR.value
    from bnn import experiment, step_replay
    from bnn.configuration import parse, start_devices

    try:
        config = Path(_WORKDIR.value) / "config.gin"
        if not config.is_file():
            raise FileNotFoundError(
                f"workdir {_WORKDIR.value} holds no run: it has no config.gin; name the folder "
                "that was given to bnn.run."
            )
        parse([str(config)], ["run.tracker = None", *_GIN_BINDINGS.value])
        start_devices()
        report = experiment.run(
            workdir=_WORKDIR.value,
            instead=lambda session: step_replay.replay(session, _STEP.value),
        )
    except (ValueError, OSError, RuntimeError, TypeError, SyntaxError, ImportError) as error:
        if _TRACEBACK.value:
            raise
        print(f"error: {error}\n(--traceback shows where)", file=sys.stderr)
        return 1
    print(report["text"])
    return 0 if report["finite"] else _NOT_FINITE


def entry() -> None:
    """Runs the command line."""
    app.run(main)


if __name__ == "__main__":
    entry()
