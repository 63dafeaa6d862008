"""Tables as CSV and Markdown, and the parts of the study that hold them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.records import csv_text, listed, stamp, write_text
from experiments.study import markdown, minus


def _read_prose(path: Path) -> dict[str, str]:
    """Notes and captions by the name of their table or figure, one line each."""
    _, *sections = path.read_text().split("\n## ")
    split = (section.partition("\n") for section in sections)
    return {name: " ".join(text.split()) for names, _, text in split for name in names.split(", ")}


PROSE = _read_prose(Path(__file__).with_name("prose.md"))


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    name: str  # stem of the CSV file
    title: str  # one line above the table
    # column to value; all rows have the columns of the first, `seed` and `draws` among them
    rows: Sequence[Mapping[str, Any]]
    shown: int | None = None  # number of rows, from the end, that Markdown shows; all where None

    def __post_init__(self) -> None:
        columns = list(self.rows[0])
        for row in self.rows:
            if list(row) != columns:
                raise ValueError(f"table {self.name}: rows differ in columns, {columns}, {row}.")
        if missing := {"seed", "draws"} - set(columns):
            raise ValueError(f"table {self.name}: rows must state {missing}.")

    def markdown(self, note: str) -> str:
        """Three significant digits, for people, and a note below."""
        columns = list(self.rows[0])
        rows = self.rows if self.shown is None else self.rows[-self.shown :]
        right = [all(_is_number(row[c]) for row in rows) for c in columns]
        lines = [[_show(row[c]) for c in columns] for row in rows]
        return (
            f"**{self.title}** ([CSV](results/{self.name}.csv))\n\n"
            f"{markdown(columns, lines, right, compact=True)}\n{note}\n"
        )


@dataclasses.dataclass(frozen=True)
class Part:
    """What one part of the study leaves behind."""

    tables: Sequence[Table]  # in the order in which they are read
    figures: Sequence[str]  # file names
    facts: dict[str, Any]  # what the results depend on beside the code: data, sizes, seconds
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # for names in the prose


def write_part(folder: Path, number: str, title: str, part: Part, command: str) -> None:
    """Writes the CSV files of a part and `part<number>.md`."""
    for table in part.tables:
        write_text(folder / f"{table.name}.csv", csv_text(table.rows))
    lines = [f"### {number}. {title}", "", _about(command, part.facts), ""]
    lines += [table.markdown(PROSE[table.name].format(**part.values)) for table in part.tables]
    for file in part.figures:
        caption = PROSE[file].format(**part.values)
        lines += [f"![{caption}](results/{file})", "", caption, ""]
    write_text(folder / f"part{number}.md", "\n".join(lines).rstrip() + "\n")


def write_whole(folder: Path, command: str, facts: Mapping[str, Any]) -> None:
    """Writes `whole.md`: when the command last ran all parts at once, and how long it took."""
    write_text(folder / "whole.md", _about(command, facts) + "\n")


def _about(command: str, facts: Mapping[str, Any]) -> str:
    """One sentence of what the results depend on."""
    now = stamp()
    about = {
        "date": f"{now['date']} UTC",
        "command": f"`{command}`",
        "revision": now["git_revision"],
        **{name: str(value) for name, value in facts.items()},
        "versions": listed(now["versions"]),
    }
    return "; ".join(f"{name}: {value}" for name, value in about.items()) + "."


def readme_parts(folder: Path) -> dict[str, str]:
    """`part<number>.md` and `whole.md` of the folder, by their markers in the README."""
    files = sorted([*folder.glob("part*.md"), *folder.glob("whole.md")])
    return {file.stem: f"\n{file.read_text()}\n" for file in files}


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _show(value: Any) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    shown = f"{value:.3g}"
    return minus(shown) if "e" not in shown else _power(value)


def _power(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return minus(f"{mantissa}·10^{int(exponent)}")
