"""The file of a sweep, in TOML: what is common to all runs, and the choices among them.

    gin_file = "gin_configs/digits.gin"     # one, or a list
    bindings = ["run.epochs = 50"]          # of every run
    arguments = ["--data_dir=/data"]        # further arguments of bnn.run
    seeds = 5                               # run.seed = 0 to 4; or a list

    [grid]                                  # every combination
    VariationalInference.estimator = ["@Flipout()", "@LocalReparameterization()"]
    run.batch_size = [32, 64]

    [zip]                                   # the first of each, the second of each, …
    run.epochs = [10, 20]
    "learning_rate/Cosine.value" = [3e-3, 1e-3]

    [[list]]                                # the choices one by one; a name is optional
    name = "MAP"
    VariationalInference.estimator = "@Mean()"
    mlp.kernel_posterior = "@Point()"

Parts that are given combine: every point of the grid with every row of the zip, every item of the
list and every seed. Several `[[zip]]` combine with each other too. A string is gin's own text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from launch.files import check_gin_file
from launch.gin_values import check_binding, check_name, gin_text, readable, short_names
from launch.points import Point

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SEED = "run.seed"
_KEYS = ("gin_file", "bindings", "arguments", "seeds", "grid", "zip", "list")
_LONGEST_NAME = 120
_MOST_POINTS = 100_000
# What a sweep's root holds beside the folders of its runs.
_TAKEN = ("logs", "records", "submitted", "wandb", "results.csv", "summary.csv", "summary.md")
Choice = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A parsed file.

    Attributes:
      gin_files: of every run.
      bindings: of every run.
      arguments: further ones of every run.
      factors: each a list of alternatives, each of which binds some parameters; the key "" of an
        alternative is the name that its item of `[[list]]` has.
      seeds: of the runs; None where the file names none.
    """

    gin_files: tuple[str, ...]
    bindings: tuple[str, ...]
    arguments: tuple[str, ...]
    factors: tuple[tuple[Choice, ...], ...]
    seeds: tuple[int, ...] | None

    def points(self, root: Path) -> list[Point]:
        """All runs, with folders below `root`.

        Raises:
          ValueError: two runs that are the same.
        """
        bound = [name for factor in self.factors for choice in factor for name in choice if name]
        short = short_names(sorted(set(bound)))
        points = []
        number = math.prod(map(len, self.factors)) * len(self.seeds or (None,))
        if number > _MOST_POINTS:
            raise ValueError(
                f"a sweep must have at most {_MOST_POINTS} runs, got {number}; leave values "
                "out, or make several sweeps."
            )
        for chosen in itertools.product(*self.factors):
            choice = {name: value for part in chosen for name, value in part.items() if name}
            shown = {label: text for part in chosen for label, text in _labels(part, short)}
            for seed in self.seeds if self.seeds is not None else (None,):
                name = _folder(shown, seed, choice)
                points.append(
                    Point(name, shown, seed, self.arguments_of(choice, seed, root / name))
                )
        return _distinct(points)

    def arguments_of(self, choice: Choice, seed: int | None, workdir: Path) -> list[str]:
        """The arguments of `bnn.run` with a choice."""
        bindings = [*self.bindings, *(f"{name} = {value}" for name, value in choice.items())]
        if seed is not None:
            bindings.append(f"{SEED} = {seed}")
        return [
            *(f"--gin_file={file}" for file in self.gin_files),
            *(f"--gin_bindings={binding}" for binding in bindings),
            *self.arguments,
            f"--workdir={workdir}",
        ]


def read_sweep(path: str | Path) -> Sweep:
    """Reads and checks a file.

    Raises:
      FileNotFoundError: it does not exist, or a gin file that it names.
      ValueError: what is wrong in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"the sweep's file {path} does not exist; correct the path.")
    try:
        return parse_sweep(read_toml(path))
    except ValueError as error:
        said = str(error).rstrip(".")
        raise ValueError(f"{path}: {said}; correct the file.") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file; ValueError where it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f'{error}; TOML has gin\'s text in quotes, a value such as "@Flipout()" and a name '
            'with a slash such as "kl/LinearWarmup.value"'
        ) from None


def parse_sweep(content: dict[str, Any]) -> Sweep:
    """Checks what a file holds; see `read_sweep`."""
    unknown = sorted(set(content) - set(_KEYS))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; a sweep has {', '.join(_KEYS)}.")
    files = _strings("gin_file", content.get("gin_file", []))
    if not files:
        raise ValueError('gin_file is missing; name one: gin_file = "gin_configs/digits.gin".')
    for file in files:
        check_gin_file(f"gin_file {file}", file)
    factors = [
        *_grid(content.get("grid", {})),
        *map(_zipped, _tables("zip", content.get("zip", []))),
    ]
    if "list" in content:
        factors.append(_listed(_tables("list", content["list"])))
    bindings = _strings("bindings", content.get("bindings", []))
    seeds = _seeds(content["seeds"]) if "seeds" in content else None
    _check_once(factors, [*map(check_binding, bindings), *([SEED] if seeds is not None else [])])
    arguments = _strings("arguments", content.get("arguments", []))
    return Sweep(files, bindings, arguments, tuple(factors), seeds)


def _grid(table: Any) -> list[tuple[Choice, ...]]:
    return [
        tuple({name: gin_text(name, value)} for value in _alternatives("grid", name, values))
        for name, values in _flat("grid", table)
    ]


def _zipped(table: dict[str, Any]) -> tuple[Choice, ...]:
    columns = {name: _alternatives("zip", name, values) for name, values in _flat("zip", table)}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"[zip] needs lists of one length: {shown}.")
    return tuple(
        {name: gin_text(name, value) for name, value in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    )


def _listed(tables: Sequence[dict[str, Any]]) -> tuple[Choice, ...]:
    choices = []
    for table in tables:
        title = table.get("name", "")
        if not isinstance(title, str):
            raise ValueError(f"[[list]]: name must be a string, got {title!r}.")
        rest = {key: value for key, value in table.items() if key != "name"}
        choice = {name: gin_text(name, value) for name, value in _flat("list", rest)}
        choices.append({**({"": title} if title else {}), **choice})
    if not choices:
        raise ValueError("[[list]] is empty; give it items or leave it out.")
    return tuple(choices)


def _flat(part: str, table: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Names and values; TOML reads `run.seed` without quotes as a table `run` with `seed`."""
    if not isinstance(table, dict):
        raise ValueError(f"{part} must be a table of bindings, got {table!r}.")
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(part, value, f"{name}.")
        else:
            yield check_name(name), value


def _alternatives(part: str, name: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise ValueError(
            f"[{part}]: {name} must be a list of alternatives, got {values!r}; what all runs share "
            "belongs into bindings, and ranges are for launch.tune."
        )
    return values


def _tables(part: str, value: Any) -> list[dict[str, Any]]:
    tables = value if isinstance(value, list) else [value]
    if not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{part} must be written as [{part}] or [[{part}]], got {value!r}.")
    return tables


def _strings(key: str, value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise ValueError(f"{key} must be a string or a list of strings, got {value!r}.")
    return tuple(values)


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return tuple(range(value))
    integers = isinstance(value, list) and all(type(each) is int for each in value)
    if not integers or not value or len(set(value)) < len(value):
        raise ValueError(
            f"seeds must be how many, at least 1, or a list of different integers, got {value!r}."
        )
    return tuple(value)


def _check_once(factors: Sequence[Sequence[Choice]], common: Sequence[str]) -> None:
    owners = [set().union(*factor) - {""} for factor in factors] + [{name} for name in common]
    seen: set[str] = set()
    for names in owners:
        twice = sorted(seen & names)
        if twice:
            raise ValueError(
                f"{twice[0]} is bound twice; one binding would silently win over the other."
            )
        seen |= names


def _labels(choice: Choice, short: dict[str, str]) -> Iterable[tuple[str, str]]:
    if "" in choice:
        return [("name", choice[""])]
    return [(short[name], value) for name, value in choice.items()]


def _folder(shown: dict[str, str], seed: int | None, choice: Choice) -> str:
    parts = [
        readable(value) if label == "name" else f"{label}={readable(value)}"
        for label, value in shown.items()
    ]
    if seed is not None:
        parts.append(f"seed={seed}")
    name = ",".join(parts) or "run"
    if name.startswith(".") or name.lower() in _TAKEN:
        raise ValueError(
            f"{name!r} cannot be a run's folder: names that begin with a point, and "
            f"{', '.join(_TAKEN)}, are something else in a sweep's root; give the item of [[list]] "
            "another name."
        )
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(repr((sorted(choice.items()), seed)).encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}-{digest}"


def _distinct(points: list[Point]) -> list[Point]:
    seen: dict[str, Point] = {}
    for point in points:
        if point.name in seen:
            raise ValueError(
                f"two runs have the name {point.name!r}: {point.choices} and "
                f"{seen[point.name].choices}; remove one, or name items of [[list]] differently."
            )
        seen[point.name] = point
    folded: dict[str, str] = {}
    for name in seen:
        twin = folded.setdefault(name.casefold(), name)
        if twin != name:
            raise ValueError(
                f"two runs have the names {twin!r} and {name!r}, which are one folder where disks "
                "do not tell capitals from small letters; name items of [[list]] differently."
            )
    return points
