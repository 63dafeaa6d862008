"""The records of studies: made once, read again, with what made them."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bnn.runs.provenance import git_revision, versions
from bnn.training import write_json, write_text

__all__ = ["git_revision", "versions", "write_json", "write_text"]  # the studies' way to them

Row = TypeVar("Row")


def recorded(
    path: Path, asked: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """What a JSON file holds; where there is none, what `make` gives, which is written there.

    Args:
      path: of the file.
      asked: sizes and the like that the numbers depend on; kept as `asked` beside them.
      make: measures.

    Raises:
      ValueError: the file is of something else than what is asked.
    """
    held = held_record(path, asked)
    if held is None:
        held = {"asked": dict(asked), **make()}
        write_json(path, held)
    return held


def held_record(path: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `recorded` has left; None where there is nothing.

    Raises:
      ValueError: the file is of something else than what is asked.
    """
    if not path.exists():
        return None
    held: dict[str, Any] = json.loads(path.read_text())
    pairs = {name: (held["asked"].get(name), value) for name, value in asked.items()}
    changes = [f"{k} {old!r} there, {new!r} asked" for k, (old, new) in pairs.items() if old != new]
    if changes:
        raise ValueError(
            f"{path} was made with other settings ({', '.join(changes)}); name another --root, or "
            "delete that file to make it again."
        )
    return held


def csv_text(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = (), digits: int = 0
) -> str:
    """Rows as CSV.

    Args:
      rows: column to value.
      columns: to write, left empty where a row has none; those of the first row where absent.
      digits: significant ones of numbers that are no integers; all where 0.
    """
    text = io.StringIO()
    names = columns or list(rows[0])
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                name: f"{value:.{digits}g}" if digits and isinstance(value, float) else value
                for name, value in row.items()
            }
        )
    return text.getvalue()


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a CSV file as a dataclass of `str`, `int`, `float`, `float | None`."""
    if not path.exists():
        return []
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float}
    kinds["float | None"] = lambda text: float(text) if text else None
    convert = {f.name: kinds.get(str(f.type), str) for f in fields}
    with path.open(newline="") as file:
        return [
            kind(**{name: convert[name](value) for name, value in row.items()})
            for row in csv.DictReader(file)
        ]


def replace_rows(path: Path, rows: Sequence[Any], replaced: Callable[[Any], bool]) -> None:
    """Writes rows of one dataclass, instead of those that are there already and `replaced`."""
    if rows:
        kept = [row for row in read_rows(path, type(rows[0])) if not replaced(row)]
        every = [dataclasses.asdict(row) for row in [*kept, *rows]]
        write_text(path, csv_text(every, digits=6))


def stamp() -> dict[str, Any]:
    """Date, revision and versions of a record that is made now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"date": f"{now:%Y-%m-%d %H:%M}", "git_revision": git_revision(), "versions": versions()}


def made(records: Iterable[Mapping[str, Any]]) -> str:
    """Dates and revisions of records."""
    held = list(records)
    return f"{_every(held, 'date', 10)}, revision {revisions(held)}"


def revisions(records: Iterable[Mapping[str, Any]]) -> str:
    """Revisions of records."""
    return _every(records, "git_revision", 12)


def _every(records: Iterable[Mapping[str, Any]], name: str, length: int) -> str:
    """The beginnings of a field's values; a record of several runs holds a list."""
    held = [record[name] for record in records]
    values = {value for one in held for value in ([one] if isinstance(one, str) else one)}
    return ", ".join(sorted({value[:length] for value in values}))


def built_with(record: Mapping[str, Any]) -> str:
    """The versions that decide a record's numbers."""
    found = record["versions"]
    return f"Python {found['python']}, TensorFlow {found['tensorflow']}, Keras {found['keras']}"


def listed(values: Mapping[str, Any]) -> str:
    """Names and values, such as all versions."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
