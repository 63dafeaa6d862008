"""Computes one step of a run again and prints what it is made of.

Example:
  python -m bnn.replay --workdir=runs/digits --step=1200

Starts from the newest checkpoint at or before the step, or from the initial weights, takes the
steps between, and shows the step itself: loss terms, KL and gradient norms by layer, and the first
operation that gave NaN or infinity. Writes nothing; the run may be stopped, finished or failed.
Exit codes: 0 the step is finite, 3 it is not, 1 error.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from bnn import command_line

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
_IMPORT = flags.DEFINE_multi_string(
    "import",
    [],
    "Module that the recorded configuration may import, beside those of bnn; repeatable.",
)
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> int:
    """Reads the run's configuration, replays the step and prints the report; the exit code."""
    if not command_line.start(argv):
        return 2
    from bnn.runs import step_replay
    from bnn.runs.recorded import prepare_recorded

    try:
        session = prepare_recorded(
            _WORKDIR.value,
            imports=_IMPORT.value,
            bindings=_GIN_BINDINGS.value,
            one_device=False,
        )
        report = step_replay.replay(session, _STEP.value)
    except command_line.errors() as error:
        return command_line.explain(error)
    print(report["text"])
    return 0 if report["finite"] else _NOT_FINITE


def entry() -> None:
    """Runs the command line."""
    app.run(main)


if __name__ == "__main__":
    entry()
