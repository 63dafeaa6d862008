"""What a report consists of, apart from how it is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading of a level from 1, the title, to 4."""

    text: str
    level: int


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A paragraph; `backquotes` mark code."""

    text: str


@dataclasses.dataclass(frozen=True)
class Items:
    """An unordered list."""

    texts: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
      columns: their headings.
      rows: cells as text, one for each column.
      num_labels: how many of the first columns are text; the others are numbers, but for
      text_columns: those that are text as well, by their headings.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    num_labels: int = 1
    text_columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"rows must have {len(self.columns)} cells, one for each column, got {row}."
                )

    @property
    def is_number(self) -> list[bool]:
        """Whether each column holds numbers."""
        return [
            i >= self.num_labels and name not in self.text_columns
            for i, name in enumerate(self.columns)
        ]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
      file: name of the PNG in the report's folder of figures.
      caption: what it shows, and how to read it.
    """

    file: str
    caption: str


Block = Heading | Paragraph | Items | Table | Figure
