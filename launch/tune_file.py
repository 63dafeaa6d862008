"""A sweep's file with ranges in the place of lists, for `launch.tune`.

    gin_file = "gin_configs/digits.gin"
    bindings = ["run.epochs = 50"]
    seeds = 1                               # or a list of one; a trial is one run

    [grid]
    MeanFieldNormal.initial_scale = {low = 0.005, high = 0.2, log = true}
    run.batch_size = {low = 32, high = 128, step = 32}
    VariationalInference.estimator = ["@Flipout()", "@LocalReparameterization()"]

A range of whole numbers gives whole numbers. `log = true` searches the logarithm, `step` the values
low, low + step, …; a list is a choice without an order, as in a sweep.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launch.gin_values import check_name, gin_text, short_names
from launch.points import Point
from launch.sweep_file import SEED, Choice, Sweep, parse_sweep, read_toml

_RANGE = {"low", "high", "log", "step"}


@dataclasses.dataclass(frozen=True)
class Range:
    """The values from low to high, both of them included."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return all(type(end) is int for end in (self.low, self.high, self.step or 0))


@dataclasses.dataclass(frozen=True)
class Search:
    """A parsed file.

    Attributes:
      sweep: what all trials have in common; it has no factors.
      space: by gin parameter a range, or alternatives as gin's text.
      seed: of every run; None where the file names none.
    """

    sweep: Sweep
    space: Mapping[str, Range | tuple[str, ...]]
    seed: int | None

    def point(self, name: str, values: Mapping[str, Any], root: Path) -> Point:
        """The run of a trial, in the folder `name` below `root`."""
        choice: Choice = {key: gin_text(key, value) for key, value in values.items()}
        short = short_names(sorted(choice))
        shown = {short[key]: text for key, text in choice.items()}
        arguments = self.sweep.arguments_of(choice, self.seed, root / name)
        return Point(name, shown, self.seed, arguments)

    def identity(self) -> str:
        """What makes two searches the same, as text: trials of others must not be mixed in."""
        ranges = {
            name: dataclasses.asdict(each) if isinstance(each, Range) else list(each)
            for name, each in self.space.items()
        }
        common = [self.sweep.gin_files, self.sweep.bindings, self.sweep.arguments, self.seed]
        return json.dumps([*common, ranges], sort_keys=True)


def read_search(path: Path) -> Search:
    """Reads and checks a file.

    Raises:
      FileNotFoundError: it does not exist, or a gin file that it names.
      ValueError: what is wrong in it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"the search's file {path} does not exist.")
    try:
        return _parse(read_toml(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _parse(content: dict[str, Any]) -> Search:
    for part in ("zip", "list"):
        if part in content:
            raise ValueError(
                f"[{part}] has no meaning in a search, which chooses every value by itself; write "
                "[grid] with ranges or lists, or run launch.sweep."
            )
    space = dict(_entries(content.get("grid", {})))
    if not space:
        raise ValueError(
            "[grid] is empty: there is nothing to search. Write for example "
            "MeanFieldNormal.initial_scale = {low = 0.005, high = 0.2, log = true}"
        )
    # The lists, and one value in the place of every range, are checked as a sweep's.
    stand_ins = {
        name: [each.low] if isinstance(each, Range) else list(each) for name, each in space.items()
    }
    sweep = parse_sweep({**content, "grid": stand_ins})
    seeds = sweep.seeds
    if seeds is not None and len(seeds) > 1:
        raise ValueError(
            f"seeds must be 1, or a list of one, got {len(seeds)} seeds: a trial is one run. Run "
            "the best choices again by launch.sweep, with more seeds."
        )
    common = dataclasses.replace(sweep, factors=(), seeds=None)
    return Search(common, space, None if seeds is None else seeds[0])


def _entries(table: Any, prefix: str = "") -> Any:
    """Names with ranges and alternatives; TOML reads `run.epochs` as a table in a table."""
    if not isinstance(table, dict):
        raise ValueError(f"grid must be a table of bindings, got {table!r}.")
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and not _is_range(value):
            yield from _entries(value, f"{name}.")
        elif isinstance(value, dict):
            yield check_name(name), _range(name, value)
        elif isinstance(value, list) and value:
            yield check_name(name), tuple(gin_text(name, each) for each in value)
        else:
            raise ValueError(
                f"[grid]: {name} must be a range {{low = …, high = …}} or a list of alternatives, "
                f"got {value!r}; what all trials share belongs into bindings."
            )
        if name == SEED:
            raise ValueError(f"{SEED} must not be searched: the best seed is chance, not a choice.")


def _is_range(table: Mapping[str, Any]) -> bool:
    return bool(table.keys() & {"low", "high"}) and not any(
        isinstance(value, (dict, list)) for value in table.values()
    )


def _range(name: str, table: Mapping[str, Any]) -> Range:
    unknown = sorted(table.keys() - _RANGE)
    if unknown or not table.keys() >= {"low", "high"}:
        raise ValueError(f"[grid]: {name} must have low and high, and may have log or step.")
    low, high, log = table["low"], table["high"], table.get("log", False)
    step = table.get("step")
    numbers = [low, high] if step is None else [low, high, step]
    if not all(type(n) in (int, float) and math.isfinite(n) for n in numbers) or not low < high:
        raise ValueError(f"[grid]: {name} must go from low up to high, numbers, got {table!r}.")
    if type(log) is not bool or (log and (low <= 0 or step is not None)):
        raise ValueError(
            f"[grid]: {name} with log = true needs a positive low and no step, got {table!r}."
        )
    if step is not None and not 0 < step <= high - low:
        raise ValueError(f"[grid]: {name} needs a step from above 0 to high − low, got {step}.")
    return Range(low, high, log, step)
