"""Gin configurations as flat mappings, and what tells one from another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# Repetitions of one experiment differ by these alone.
_REPEATED = ("seed", "split")
# These change what is watched or where files are, not what is learned.
_UNIMPORTANT = ("run.tracker", "run.probe", "run.report_every")
_UNIMPORTANT_OWNERS = ("WandB", "TensorBoard", "GradientNoiseProbe")
ESTIMATOR = "run.estimator"
# What a parameter is called in recorded configurations of other versions.
_SAME = {"VariationalInference.estimator": ESTIMATOR}


def parse_bindings(text: str) -> dict[str, str]:
    """The bindings `name = value` of an operative configuration; a value may go on below."""
    bindings: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith((" ", "\t")) and name:
            bindings[name] = f"{bindings[name]} {line.strip()}".strip()
            continue
        name, separator, value = line.partition(" = ")
        if not separator or line.startswith("#"):
            name = ""
            continue
        name = _SAME.get(name.rpartition("/")[2], name)
        bindings[name] = value.strip().removesuffix("\\").strip()
    return bindings


def repetition(bindings: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The seeds and splits: what pairs the runs of two groups."""
    return tuple(sorted(b for b in bindings.items() if _parameter(b[0]) in _REPEATED))


def identity(bindings: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Everything else that decides what a run learns: what its group has in common."""
    return tuple(sorted(b for b in bindings.items() if not _is_apart(b[0])))


def _is_apart(name: str) -> bool:
    owner = name.rpartition(".")[0].rpartition("/")[2].rpartition(".")[2]
    return (
        _parameter(name) in (*_REPEATED, "data_dir")
        or name in _UNIMPORTANT
        or owner in _UNIMPORTANT_OWNERS
    )


def _parameter(name: str) -> str:
    return name.rpartition(".")[2]


def differences(configurations: Sequence[Mapping[str, str]]) -> list[str]:
    """A short name of each configuration, by the bindings in which it differs from others.

    Bindings that all of them have are enough where they tell all apart; else those of which two
    have other values, as the weight of a KL that a third one does not have; else all. Equal
    configurations get equal names, a single one gets "".
    """
    names = sorted({name for bindings in configurations for name in bindings})
    varying = [n for n in names if len({bindings.get(n) for bindings in configurations}) > 1]
    shared = [n for n in varying if all(n in bindings for bindings in configurations)]
    contested = [n for n in varying if len({b[n] for b in configurations if n in b}) > 1]
    distinct = len({tuple(b.get(n) for n in varying) for b in configurations})
    for fewer in (shared, contested):
        if len({tuple(b.get(n) for n in fewer) for b in configurations}) == distinct:
            varying = fewer
            break
    return [
        ", ".join(f"{_short(n)}={short_value(b[n])}" for n in varying if n in b)
        for b in configurations
    ]


def _short(name: str) -> str:
    return name.rpartition("/")[2].removeprefix("run.")


def short_value(value: str) -> str:
    """The value without gin's punctuation: `@likelihoods.Normal()` is `Normal`."""
    reference = re.fullmatch(r"@(?:[\w.]+/)*(?:\w+\.)*(\w+)(?:\(\))?", value)
    return reference[1] if reference else value.strip("'\"")
