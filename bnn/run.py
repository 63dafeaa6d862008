"""Trains and evaluates the run that gin files describe.

Example:
  python -m bnn.run --gin_file=gin_configs/digits.gin --workdir=runs/digits
    --gin_bindings="run.estimator = @Flipout()" --gin_bindings="run.seed = 1"

The same command continues a run that was stopped. The folder then holds config.gin, metrics.jsonl,
results.json, ledger.md, checkpoints/ and figures/. Exit codes: 0 done, 1 error, 130 Ctrl-C,
42 SIGTERM or SIGUSR1 (state saved, start again).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags, logging

_SHIPPED = Path(__file__).resolve().parents[1] / "gin_configs"
_GIN_FILE = flags.DEFINE_multi_string(
    "gin_file", None, "Gin file; repeat for several, later ones win.", required=True
)
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "Binding that wins over the files, such as 'run.seed = 1'; repeatable."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, created.", required=True)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data sets; the variable BNN_DATA_DIR where absent."
)
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show the whole traceback of an error.")


def main(argv: Sequence[str]) -> int:
    """Parses the configuration, locks it and calls the root; the process's exit code."""
    if len(argv) > 1:
        print(f"error: unexpected argument {argv[1]!r}; options start with --", file=sys.stderr)
        return 2
    if _DATA_DIR.value is not None:
        os.environ["BNN_DATA_DIR"] = _DATA_DIR.value
    from bnn import experiment
    from bnn.training import InterruptedRunError

    try:
        _parse(_GIN_FILE.value, _GIN_BINDINGS.value)
        experiment.run(workdir=_WORKDIR.value)
    except InterruptedRunError as stopped:
        print(str(stopped).splitlines()[0], file=sys.stderr)  # gin adds others
        return stopped.exit_code
    except KeyboardInterrupt:  # outside of the training loop, or a second one inside
        print("interrupted; the same command continues from the last checkpoint.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, TypeError, SyntaxError, ImportError) as error:
        if _TRACEBACK.value:
            raise
        message = re.sub(r" \(<(function|class) .*>\)", "", str(error))  # gin's addition
        print(f"error: {message}\n(--traceback shows where)", file=sys.stderr)
        return 1
    return 0


def _parse(files: Sequence[str], bindings: Sequence[str]) -> None:
    """Reads the gin files.

    Their includes are looked for in the file's folder, the one above, and among the shipped files.
    """
    import gin

    for file in files:
        if not Path(file).is_file():
            raise FileNotFoundError(
                f"--gin_file={file} does not exist; the shipped files are in gin_configs/."
            )
    folders = [str(folder) for file in files for folder in list(Path(file).resolve().parents)[:2]]
    # Gin's own order has the current folder first, and there it takes any folder named `data` or
    # `model` for a Python package, and fails.
    gin.config._LOCATION_PREFIXES[:] = [*folders, str(_SHIPPED), ""]
    # gin logs every place in which it looks for an include as an error; parsing raises real ones.
    logging.set_verbosity(logging.FATAL)
    try:
        gin.parse_config_files_and_bindings(list(files), list(bindings), finalize_config=True)
    finally:
        logging.set_verbosity(logging.WARNING)


def entry() -> None:
    """Runs the command line."""
    app.run(main)


if __name__ == "__main__":
    entry()
