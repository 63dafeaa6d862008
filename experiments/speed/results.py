"""The results on disk: CSV files of every round, and what was measured when."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import importlib.metadata
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bnn.runs.provenance import git_revision, versions

Row = TypeVar("Row")
_PACKAGES = ("tf-keras", "jax", "numpyro", "optax", "torch", "bayesian-torch")


def replace_rows(path: Path, rows: Sequence[Any], replaced: Callable[[Any], bool]) -> None:
    """Writes rows of one dataclass, instead of those that are there already and `replaced`."""
    if not rows:
        return
    kept = [row for row in read_rows(path, type(rows[0])) if not replaced(row)]
    beside = path.with_name(path.name + ".tmp")
    with beside.open("w", newline="") as file:
        names = [field.name for field in dataclasses.fields(rows[0])]
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in [*kept, *rows]:
            values = dataclasses.astuple(row)
            writer.writerow(f"{v:.6g}" if isinstance(v, float) else v for v in values)
    beside.replace(path)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a file; none where there is no file."""
    if not path.exists():
        return []
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    convert = {f.name: {"int": int, "float": float}.get(str(f.type), str) for f in fields}
    with path.open(newline="") as file:
        return [
            kind(**{name: convert[name](value) for name, value in row.items()})
            for row in csv.DictReader(file)
        ]


def note(path: Path, part: str, facts: dict[str, Any]) -> None:
    """Writes down under which circumstances a part was measured."""
    about = json.loads(path.read_text()) if path.exists() else {}
    about[part] = {
        "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
        "revision": git_revision()[:12],
        **facts,
    }
    found = versions()
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    about["versions"] = found
    about["cores"] = os.cpu_count()
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(json.dumps(about, indent=1) + "\n")
    beside.replace(path)
