"""Tables as CSV and Markdown, and the study's README between its markers."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn.runs.provenance import git_revision, versions


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under named columns.

    Attributes:
      name: stem of the CSV file.
      title: one line above the table.
      note: what the columns mean, in sentences.
      rows: column to value; all rows have the columns of the first, `seed` and `draws` among them.
      shown: number of rows, from the end, that Markdown shows; all where None.
    """

    name: str
    title: str
    note: str
    rows: Sequence[Mapping[str, Any]]
    shown: int | None = None

    def __post_init__(self) -> None:
        columns = list(self.rows[0])
        for row in self.rows:
            if list(row) != columns:
                raise ValueError(f"table {self.name}: rows differ in columns, {columns}, {row}.")
        if missing := {"seed", "draws"} - set(columns):
            raise ValueError(f"table {self.name}: rows must state {missing}.")

    def csv(self) -> str:
        """All digits, for programs."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def markdown(self) -> str:
        """Three significant digits, for people."""
        columns = list(self.rows[0])
        rows = self.rows if self.shown is None else self.rows[-self.shown :]
        numeric = [all(_is_number(row[c]) for row in rows) for c in columns]
        lines = [
            f"**{self.title}** ([CSV](results/{self.name}.csv))",
            "",
            "| " + " | ".join(columns) + " |",
            "|" + "|".join("---:" if right else "---" for right in numeric) + "|",
        ]
        lines += ["| " + " | ".join(_show(row[c]) for c in columns) + " |" for row in rows]
        return "\n".join([*lines, "", self.note, ""])


@dataclasses.dataclass(frozen=True)
class Part:
    """What one part of the study leaves behind.

    Attributes:
      tables: in the order in which they are read.
      figures: file name to caption.
      facts: what the results depend on beside the code: data, sizes, seconds.
    """

    tables: Sequence[Table]
    figures: Mapping[str, str]
    facts: Mapping[str, Any]


def write_part(folder: Path, number: int, title: str, part: Part, command: str) -> None:
    """Writes the CSV files of a part and `part<number>.md`."""
    for table in part.tables:
        write_text(folder / f"{table.name}.csv", table.csv())
    lines = [f"### {number}. {title}", "", _about(command, part.facts), ""]
    lines += [table.markdown() for table in part.tables]
    for file, caption in part.figures.items():
        lines += [f"![{caption}](results/{file})", "", caption, ""]
    write_text(folder / f"part{number}.md", "\n".join(lines).rstrip() + "\n")


def write_whole(folder: Path, command: str, facts: Mapping[str, Any]) -> None:
    """Writes `whole.md`: when the command last ran all parts at once, and how long it took."""
    write_text(folder / "whole.md", _about(command, facts) + "\n")


def _about(command: str, facts: Mapping[str, Any]) -> str:
    """One sentence of what the results depend on."""
    about = {
        "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
        "command": f"`{command}`",
        "revision": git_revision(),
        **{name: str(value) for name, value in facts.items()},
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    return "; ".join(f"{name}: {value}" for name, value in about.items()) + "."


def fill_readme(readme: Path, folder: Path) -> None:
    """Puts `part<number>.md` and `whole.md` of the folder between their markers in the README.

    Raises:
      ValueError: the README lacks the markers of a part.
    """
    text = readme.read_text()
    for file in sorted([*folder.glob("part*.md"), *folder.glob("whole.md")]):
        begin, end = f"<!-- {file.stem} -->", f"<!-- end {file.stem} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{readme.name} must hold the markers {begin} and {end}; add them.")
        block = f"{begin}\n\n{file.read_text()}\n{end}"
        text = pattern.sub(lambda _, block=block: block, text)
    write_text(readme, text)


def write_text(path: Path, text: str) -> None:
    """Writes a file that appears complete or not at all."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(text)
    os.replace(beside, path)


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
    return shown.replace("-", "−") if "e" not in shown else _power(value)


def _power(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}·10^{int(exponent)}".replace("-", "−")
