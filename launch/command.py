"""Command lines: the launcher's own options, then `--`, then the arguments of the run."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launch.files import check_gin_file, check_text

RUN_MODULE = "bnn.run"


class Parser(argparse.ArgumentParser):
    """A parser of a launcher's options: no abbreviations, `--dry-run` means `--dry_run`."""

    def __init__(self, description: str | None, usage: str) -> None:
        super().__init__(
            description=description,
            usage=usage,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse_command(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The options before the first `--`, and the arguments after it as they stand."""
        own, separator, rest = _partition(list(argv))
        options = self.parse_args([_underscores(argument) for argument in own])
        if not separator:
            self.error("write the arguments of the run after --, as in: " + (self.usage or ""))
        return options, rest

    def parse_only(self, argv: Sequence[str]) -> argparse.Namespace:
        """The options of a command line that takes no arguments of a run."""
        return self.parse_args([_underscores(argument) for argument in argv])


def add_module_option(parser: argparse.ArgumentParser | Any) -> None:
    """Adds `--module`: what the workers run."""
    parser.add_argument(
        "--module",
        default=RUN_MODULE,
        help="module that python -m runs with the arguments (default: %(default)s)",
    )


def add_group_options(parser: argparse.ArgumentParser | Any) -> None:
    """Adds `--grace` and `--start_timeout`."""
    parser.add_argument(
        "--grace",
        type=at_least(0, float),
        default=60.0,
        help="seconds to save and end in before a worker is killed (default: 60)",
    )
    parser.add_argument(
        "--start_timeout",
        type=at_least(0, float),
        default=300.0,
        help="seconds in which every one of several workers must join; 0: forever (default: 300)",
    )


def run_command(module: str, arguments: Sequence[str], python: str = sys.executable) -> list[str]:
    """The command line of one worker."""
    return [python, "-m", module, *arguments]


def values_of(arguments: Sequence[str], name: str) -> list[str]:
    """The values of the option `--name`, written `--name=value` or `--name value`."""
    values = []
    for position, argument in enumerate(arguments):
        flag, separator, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or flag != name:
            continue
        if separator:
            values.append(value)
        elif position + 1 < len(arguments):
            values.append(arguments[position + 1])
    return values


def check_arguments(module: str, arguments: Sequence[str]) -> None:
    """Finds now what a run would refuse later, after hours in a queue or once in every worker.

    Raises:
      ValueError: no --workdir or --gin_file among the arguments of `bnn.run`.
      FileNotFoundError: a gin file that does not exist.
    """
    if module != RUN_MODULE or "--help" in arguments:
        return
    for name, example in (("gin_file", "gin_configs/digits.gin"), ("workdir", "runs/digits")):
        if not values_of(arguments, name):
            raise ValueError(
                f"the arguments of {module} lack --{name}; add --{name}={example} after the --."
            )
    for workdir in values_of(arguments, "workdir"):
        check_text("--workdir", workdir)
    for file in values_of(arguments, "gin_file"):
        check_gin_file(f"--gin_file={file}", file)


def check_data_dir(arguments: Sequence[str]) -> None:
    """Finds a folder of data that is not on this machine, by the flag that was given.

    Raises:
      FileNotFoundError: it does not exist.
    """
    for data_dir in values_of(arguments, "data_dir"):
        if not Path(data_dir).expanduser().is_dir():
            raise FileNotFoundError(
                f"--data_dir={data_dir} does not exist; create it and put the data sets there, or "
                "correct the path."
            )


def at_least(low: float, kind: type = int, most: float = math.inf) -> Any:
    """The type of an argparse option that takes a number of at least `low`, at most `most`."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= most:
            noun = "an integer" if kind is int else "a number"
            bounds = f"of at least {low}" if most == math.inf else f"from {low} to {most}"
            raise argparse.ArgumentTypeError(f"must be {noun} {bounds}, got {text!r}")
        return value

    return parse


def _partition(argv: list[str]) -> tuple[list[str], str, list[str]]:
    if "--" not in argv:
        return argv, "", []
    at = argv.index("--")
    return argv[:at], "--", argv[at + 1 :]


def _underscores(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, separator, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{separator}{value}"
