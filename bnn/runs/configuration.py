"""Reading gin files, and starting the devices that they choose."""

from __future__ import annotations

import copy
import re
import sys
import tokenize
from collections.abc import Sequence
from pathlib import Path

# Inside of the package in a wheel; a link to the folder beside it in the source tree.
_SHIPPED = Path(__file__).resolve().parents[1] / "gin_configs"
# What gin raises for a text that it cannot read.
OF_GIN = (
    *(ValueError, SyntaxError, KeyError, TypeError, ImportError, RecursionError),
    tokenize.TokenError,
)


def find(file: str) -> str:
    """The path of a gin file: the file itself, else the shipped one of that name.

    `digits.gin` and `gin_configs/digits.gin` both name what bnn brings, so that a command of the
    documentation works in any folder; a file of one's own at that path goes before it.

    Raises:
      FileNotFoundError: neither is there.
    """
    if Path(file).is_file():
        return file
    path = Path(file)
    inside = Path(*path.parts[1:]) if path.parts[:1] == ("gin_configs",) else path
    if not path.is_absolute() and ".." not in inside.parts and (_SHIPPED / inside).is_file():
        return str(_SHIPPED / inside)
    names = ", ".join(sorted(shipped.name for shipped in _SHIPPED.glob("*.gin")))
    fault = "is no file" if path.exists() else "does not exist"
    raise FileNotFoundError(
        f"--gin_file={file} {fault}; name one that is there: the shipped files, which "
        f"gin_configs/NAME names everywhere, are {names}."
    )


def parse(files: Sequence[str], bindings: Sequence[str]) -> None:
    """Reads the gin files.

    Their includes are looked for in the file's folder, the one above, and among the shipped files.
    Modules that they import may stand in the file's own folder, which is the last place that Python
    looks in.

    Raises:
      FileNotFoundError: a file that is not there.
      ValueError: a name that gin does not know, with the nearest that it does.
    """
    import gin
    from absl import logging

    from bnn.runs.bindings import check_bindings
    from bnn.runs.gin_errors import in_words, unused_macros

    files = [find(file) for file in files]
    for file in files:
        try:
            Path(file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"--gin_file={file} must be text in UTF-8, got bytes that are none ({error}); "
                "name another file, or convert it."
            ) from error
    own = [str(Path(file).resolve().parent) for file in files]
    sys.path += [folder for folder in dict.fromkeys(own) if folder not in sys.path]
    folders = [str(folder) for file in files for folder in list(Path(file).resolve().parents)[:2]]
    # Gin's own order has the current folder first, and there it takes any folder named `data` or
    # `model` for a Python package, and fails.
    gin.config._LOCATION_PREFIXES[:] = [*folders, str(_SHIPPED), ""]
    # gin logs every place in which it looks for an include as an error; parsing raises real ones.
    logging.set_verbosity(logging.FATAL)
    try:
        gin.parse_config_files_and_bindings(list(files), list(bindings), finalize_config=True)
    except (*OF_GIN, OSError) as error:
        raise ValueError(in_words(error, files, bindings)) from error
    finally:
        logging.set_verbosity(logging.WARNING)
    unused_macros()
    check_bindings(complete=False)  # before devices are started, which builds the strategy


def start_devices() -> None:
    """Builds the strategy that the configuration names, before anything else of TensorFlow.

    Devices and collectives are fixed once TensorFlow has started, which building an optimizer does,
    and gin builds a function's arguments in no stated order.
    """
    import gin

    try:
        reference = gin.query_parameter("run.strategy")
    except ValueError:  # not bound: one device
        return
    copy.deepcopy(reference)  # how gin itself makes an object of a reference


def check_recorded(text: str, imports: Sequence[str], path: Path) -> None:
    """Raises ValueError for a recorded configuration that would run code of other modules.

    Args:
      text: of the configuration.
      imports: modules that the caller allows, each with what is below it.
      path: of the file, for the error.
    """
    allowed = ("bnn", *imports)
    for line in text.splitlines():
        words = re.match(r"\s*(import|from|include)\b\s*(\S*)", line)
        if words is None:
            continue
        kind, name = words[1], words[2].strip("'\"")
        if kind == "include" or name == "__gin__":
            raise ValueError(
                f"{path} must be a recorded configuration, which has no line {line.strip()!r}; it "
                "was changed by hand. Give it to bnn.run as --gin_file if you trust it."
            )
        below = any(name == module or name.startswith(f"{module}.") for module in allowed)
        if not below and name not in sys.modules:
            raise ValueError(
                f"{path} imports the module {name}, which would run its code; if you trust it, "
                f"allow it with --import={name}, or imports=[{name!r}] in Python."
            )
