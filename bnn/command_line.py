"""What the command lines have in common: two flags, and errors in one line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from absl import flags

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data sets; the variable BNN_DATA_DIR where absent."
)
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show the whole traceback of an error.")

# What bad input, files and configurations raise, each with a message that says what to do.
ERRORS = (ValueError, OSError, RuntimeError, TypeError, SyntaxError, ImportError)


def start(argv: Sequence[str]) -> bool:
    """Takes note of the data folder; False, and said why, where there is an argument too many."""
    if len(argv) > 1:
        print(f"error: unexpected argument {argv[1]!r}; options start with --", file=sys.stderr)
        return False
    use_data_dir()
    return True


def use_data_dir() -> None:
    """Has --data_dir win over the environment's variable."""
    if _DATA_DIR.value is not None:
        os.environ["BNN_DATA_DIR"] = _DATA_DIR.value
        os.environ["BNN_DATA_DIR_FROM"] = "--data_dir"  # what an error names


def name_flag(message: str) -> str:
    """The message, with the flag in the place of the variable where the flag was given."""
    if _DATA_DIR.value is None:
        return message
    return message.replace("the environment variable BNN_DATA_DIR", "--data_dir")


def wants_traceback() -> bool:
    """Whether --traceback was given."""
    return _TRACEBACK.value


def explain(error: BaseException) -> int:
    """Prints the message of the error that is being handled and returns the exit code, 1.

    Raises:
      BaseException: the error itself, where --traceback was given.
    """
    if _TRACEBACK.value:
        raise error
    message = name_flag(re.sub(r" \(<(function|class) .*>\)", "", str(error)))  # gin's addition
    print(f"error: {message}\n(--traceback shows where)", file=sys.stderr)
    return 1
