"""Runs many command lines of one module in one process: each as if it were a process of its own.

Example:
  python tests/refused/many.py bnn.run rows.json answers.json [SECONDS]

`rows.json` is a list of lists of arguments. `answers.json` gets, for each, the exit code, what was
written to the standard outputs, the seconds, and the traceback where there was one: of a hang after
so many seconds, too.
"""

import contextlib
import importlib
import io
import json
import signal
import sys
import time
import traceback
from pathlib import Path

LIMIT = 20


class HangError(BaseException):
    """A row took longer than it may."""


def _alarm(number, frame):
    raise HangError(f"no answer after {LIMIT} seconds")


def entry_of(module):
    """entry(argv): the module's command line."""
    if module.startswith("launch."):
        return importlib.import_module(module).main
    from absl import app, flags

    package = module in ("bnn.report", "bnn.replay")
    loaded = importlib.import_module(f"{module}.__main__" if package else module)

    def entry(argv):
        import gin

        gin.clear_config()
        flags.FLAGS.unparse_flags()
        for flag in flags.FLAGS:
            flags.FLAGS[flag].unparse()
        app.run(loaded.main, argv=[module, *argv])

    return entry


def answer(entry, argv, limit=LIMIT):
    """The answer to one command line."""
    out, err, fault, code = io.StringIO(), io.StringIO(), "", None
    before = signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(limit)
    started = time.monotonic()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = entry(argv)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        fault = traceback.format_exc()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    seconds = time.monotonic() - started
    return {
        "code": code,
        "out": out.getvalue(),
        "err": err.getvalue(),
        "fault": fault,
        "seconds": seconds,
    }


def main():
    """Answers all rows."""
    module, rows, answers, *limit = sys.argv[1:]
    entry = entry_of(module)
    found = [
        answer(entry, argv, int(*limit) or LIMIT) for argv in json.loads(Path(rows).read_text())
    ]
    Path(answers).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
