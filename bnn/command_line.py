"""What the command lines have in common: two flags, and errors in one line."""

from __future__ import annotations

import errno
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
_ERRORS = (ValueError, OSError, RuntimeError, TypeError, SyntaxError, ImportError, MemoryError)
_REMEDIES = {
    errno.ENOSPC: "free space on that disk, and start the same command again",
    errno.EDQUOT: "free space within your quota, and start the same command again",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), and start the same command again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), and start the same command again",
    errno.ENFILE: "end programs that hold files open, and start the same command again",
    errno.EACCES: "name another one, or have its permissions changed",
    errno.EPERM: "name another one, or have its permissions changed",
    errno.EROFS: "name another one, on a disk that can be written to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "correct the link, or name another one",
    errno.ENOENT: "correct the path, or create what it names",
    errno.ENOTDIR: "a part of the path is a file: name another one",
    errno.EISDIR: "name a file",
}
# What Python makes of an error of the system: number, words, and mostly a file.
_SYSTEM = re.compile(r"\[Errno (\d+)\] ([^:\n]*)(?:: ['\"](.*?)['\"])?")
# What TensorFlow repeats of the system's errors.
_OF_DISKS = {
    errno.ENOSPC: "No space left",
    errno.EFBIG: "File too large",
    errno.EMFILE: "Too many open files",
}
# Keras sets a layer's message in bold, among the name of the layer and what it was called with.
_OF_KERAS = re.compile(r"Exception encountered when calling .*?\x1b\[1m(.*?)\x1b\[0m", re.DOTALL)
_MEMORY = (
    "lower the sizes of the model, run.batch_size, the objective's num_samples or "
    "run.num_predict_samples"
)


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
    """The message, with a remedy where it is the system's, and the flag that was given by name."""
    message = _of_the_system(message) or message
    if _DATA_DIR.value is None:
        return message
    return message.replace("the environment variable BNN_DATA_DIR", "--data_dir")


def wants_traceback() -> bool:
    """Whether --traceback was given."""
    return _TRACEBACK.value


def errors() -> tuple[type[BaseException], ...]:
    """What bad input, files, disks and memory raise, TensorFlow's own errors among it."""
    tensorflow = sys.modules.get("tensorflow")
    return _ERRORS if tensorflow is None else (*_ERRORS, tensorflow.errors.OpError)


def _of_the_system(text: str) -> str | None:
    """An error of the system in words; None for another one."""
    found = _SYSTEM.match(text)
    if found is None or int(found[1]) not in _REMEDIES:
        return None
    place = f"{found[3]}: " if found[3] else ""
    return f"{place}{found[2]}; {_REMEDIES[int(found[1])]}."


def _in_words(error: BaseException) -> str:
    """The message, with a remedy where it comes from the system or from TensorFlow."""
    text = re.sub(r" \(<(function|class) .*>\)", "", str(error))  # gin's addition
    if (said := _OF_KERAS.search(text)) is not None:
        text = said[1]
    first = re.sub(r"^(\{\{.*?\}\} ?)*", "", text.partition("\n")[0])
    if isinstance(error, MemoryError):
        return f"the machine's memory does not suffice ({first or 'no more is free'}); {_MEMORY}."
    if not type(error).__module__.startswith("tensorflow"):
        return text
    for number, words in _OF_DISKS.items():
        if words in text:
            return f"a file cannot be written ({first}); {_REMEDIES[number]}."
    if (shape := re.search(r"OOM when allocating tensor with shape(\[[\d,]*\])", text)) is not None:
        return f"the machine's memory does not suffice for a tensor {shape[1]}; {_MEMORY}."
    kind = type(error).__name__
    return (
        f"TensorFlow cannot go on ({kind}: {first}); start the same command again, and with "
        "--traceback where it comes back."
    )


def explain(error: BaseException) -> int:
    """Prints the message of the error that is being handled and returns the exit code, 1.

    Raises:
      BaseException: the error itself, where --traceback was given.
    """
    if _TRACEBACK.value:
        raise error
    message = name_flag(_in_words(error))
    print(f"error: {message}\n(--traceback shows where)", file=sys.stderr)
    return 1
