"""Trains and evaluates the run that gin files describe.

Example:
  python -m bnn.run --gin_file=gin_configs/digits.gin --workdir=runs/digits
    --gin_bindings="VariationalInference.estimator = @Flipout()" --gin_bindings="run.seed = 1"

The same command continues a run that was stopped. The folder then holds config.gin, metrics.jsonl,
results.json, ledger.md, checkpoints/ and figures/. Exit codes: 0 done, 1 error, 130 Ctrl-C,
42 SIGTERM or SIGUSR1 (state saved, start again).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from absl import app, flags

from bnn import command_line

_GIN_FILE = flags.DEFINE_multi_string(
    "gin_file", None, "Gin file; repeat for several, later ones win.", required=True
)
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "Binding that wins over the files, such as 'run.seed = 1'; repeatable."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, created.", required=True)
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str], ends_process: bool = False) -> int:
    """Parses the configuration, locks it and calls the root; the process's exit code.

    Args:
      argv: what absl leaves of the command line.
      ends_process: as of `bnn.training.StopRequest`.
    """
    if not command_line.start(argv):
        return 2
    from bnn import experiment
    from bnn.runs.configuration import parse, start_devices
    from bnn.training import InterruptedRunError, StopRequest

    StopRequest.ends_process = ends_process
    try:
        parse(_GIN_FILE.value, _GIN_BINDINGS.value)
        start_devices()
        experiment.run(workdir=_WORKDIR.value)
    except InterruptedRunError as stopped:
        print(str(stopped).splitlines()[0], file=sys.stderr)  # gin adds others
        return stopped.exit_code
    except KeyboardInterrupt:  # outside of the training loop, or a second one inside
        print("interrupted; the same command continues from the last checkpoint.", file=sys.stderr)
        return 130
    except command_line.errors() as error:
        return command_line.explain(error)
    return 0


def entry() -> None:
    """Runs the command line."""
    app.run(functools.partial(main, ends_process=True))


if __name__ == "__main__":
    entry()
