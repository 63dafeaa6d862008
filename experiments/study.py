"""The harness under all studies: options, workers, tables between markers; `records.py` has theirs.

A study is a folder: cases, one evaluation, and a README whose tables stand between
`<!-- name -->` and `<!-- end of name -->`. Its command measures what is missing and writes the
tables; `--report` writes them again from the records that are there.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import math
import multiprocessing
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import numpy as np

from experiments.records import write_text

ROOT = Path(__file__).resolve().parents[1]
# Networks of the studies' size leave a second core half idle: one process a core is better.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip(),
}
_ENVIRONMENT = threading.Lock()
Item = TypeVar("Item")
Result = TypeVar("Result")


# --- Options ----------------------------------------------------------------------------------


def study_parser(
    description: str | None, output: Path, root: Path | None = None, fast: bool = True
) -> argparse.ArgumentParser:
    """The options that studies share.

    Args:
      description: the module's docstring; its first line is shown.
      output: folder of the README, tables and figures.
      root: folder of what has been trained, of a study that trains; it gets `--workers`, too.
      fast: whether there are tiny sizes for tests.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument(
        "--output", type=Path, default=output, help="folder of README, results and figures to write"
    )
    parser.add_argument(
        "--report", action="store_true", help="measure nothing, write again what there is"
    )
    if fast:
        parser.add_argument("--fast", action="store_true", help="tiny sizes, for tests")
    if root is not None:
        parser.add_argument("--root", type=Path, default=root, help="folder of what has ended")
        parser.add_argument("--data_dir", help="folder of the data sets; default BNN_DATA_DIR")
        parser.add_argument(
            "--workers", type=positive, default=os.cpu_count(), help="default one per core"
        )
    return parser


def parse_options(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The options of a command line; ends the process with a message where they do not fit."""
    options = parser.parse_args(argv)
    kept = [name for name in ("output", "root") if parser.get_default(name) is not None]
    if getattr(options, "fast", False) and any(
        getattr(options, name) == parser.get_default(name) for name in kept
    ):
        needed = " and ".join(f"--{name}" for name in kept)
        parser.error(f"--fast needs {needed}: its numbers must not replace the study's.")
    if getattr(options, "data_dir", None):
        os.environ["BNN_DATA_DIR"] = options.data_dir
    if "root" in kept:
        options.root = options.root.resolve()
    return options


def positive(text: str) -> int:
    """A number of a command line, at least 1.

    Raises:
      argparse.ArgumentTypeError: any other text.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return int(text)


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds of a command line, such as 0,1,2.

    Raises:
      argparse.ArgumentTypeError: no integers, or one twice.
    """
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(
            f"must be different integers with commas, got {text!r}; such as 0,1,2"
        )
    return seeds


def names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Reads names of a command line, with commas, and gives them in the order of `known`."""

    def convert(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"must be names with commas of {', '.join(known)}, got {name!r}"
                )
        return [name for name in known if name in names]

    return convert


# --- Workers ----------------------------------------------------------------------------------


def run_all(
    call: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    say: Callable[[Item, Result], str | None] = lambda item, result: None,
) -> list[Result]:
    """`call(item)` of all items, begun in this order, `workers` at a time; results in this order.

    Calls are threads, which wait for processes of their own: commands, or `apart`.

    Args:
      call: what to do.
      items: with what.
      workers: at a time.
      say: a line to print when an item has ended; nothing where None.

    Raises:
      Exception: what a call raised; those that had begun are waited for, the others not begun.
    """
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(call, item): item for item in items}
        try:
            for future in concurrent.futures.as_completed(futures):
                if line := say(futures[future], future.result()):
                    print(line, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def apart(call: Callable[[Item], Result]) -> Callable[[Item], Result]:
    """The call in a process of its own, on one thread, that ends with it and so frees its memory.

    A process that dies raises `concurrent.futures.process.BrokenProcessPool`.
    """

    def one(item: Item) -> Result:
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, spawn) as pool:
            with _environment(ONE_THREAD):  # the process inherits it at its start
                future = pool.submit(call, item)
            return future.result()

    return one


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    with _ENVIRONMENT:
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


# --- Tables -----------------------------------------------------------------------------------


def markdown(
    head: Sequence[str],
    lines: Iterable[Sequence[str]],
    right: int | Sequence[bool] | None = None,
    compact: bool = False,
) -> str:
    """A table.

    Args:
      head: names of the columns.
      lines: cells.
      right: columns of numbers, set flush right: which are, or the first of them; none if absent.
      compact: the rule below the head without spaces.
    """
    first = len(head) if right is None else right
    flush = [i >= first for i in range(len(head))] if isinstance(first, int) else first
    rule = ["---:" if number else "---" for number in flush]
    top, *others = (
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
        for line in [head, *lines]
    )
    shown = f"|{'|'.join(rule)}|" if compact else f"| {' | '.join(rule)} |"
    return "\n".join([top, shown, *others]) + "\n"


def mean_error(values: Iterable[float], digits: int) -> str:
    """Mean ± its standard error; the mean alone of one value."""
    array = np.array(list(values), np.float64)
    mean = f"{array.mean():.{digits}f}"
    return mean if len(array) == 1 else f"{mean} ± {standard_error(array):.{digits}f}"


def standard_error(values: Sequence[float] | np.ndarray) -> float:
    """Of the mean of independent values: the deviation with n − 1 over √n; NaN of one."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def samples_shown(count: int) -> str:
    """The number of weight samples; of fixed weights one is all there is."""
    return "1 (fixed weights)" if count == 1 else str(count)


def minus(text: str) -> str:
    """With the sign of that name instead of hyphens."""
    return text.replace("-", "−")


def fill(text: str, parts: Mapping[str, str], source: Path) -> str:
    """The text with every part between `<!-- name -->` and `<!-- end of name -->`.

    Raises:
      ValueError: `source`, where the text is from, lacks a marker.
    """
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{source} must hold {begin} and {end}; put them back.")
        text = f"{before}{begin}\n{content}{end}{after}"
    return text


def write_readme(template: Path, parts: Mapping[str, str], folder: Path) -> None:
    """Fills a README; another folder than its own gets a filled copy."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.md", fill(template.read_text(), parts, template))
