"""What a report consists of, apart from how it is written down."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Collection, Sequence

# Line and paragraph separators, and what reverses the direction of text that follows.
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def clean(text: str) -> str:
    """The text as one line that can be written and seen: names come from folders and files.

    Runs of white space and control characters become one space; characters that UTF-8 has no form
    for, as in the names of folders that are no text, become the replacement character.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    if whole != text:
        whole = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    kept = "".join(" " if unicodedata.category(c) in _HIDDEN else c for c in whole)
    return " ".join(kept.split())


def code(text: str) -> str:
    """The text marked as code, whatever it holds."""
    return f"`{clean(text).replace('`', chr(39)) or ' '}`"


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading of a level from 1, the title, to 4."""

    text: str
    level: int


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A paragraph; `backquotes` mark code, everything else is plain text: see `clean`."""

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
      best: places (row, column) of the cells to mark.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    num_labels: int = 1
    text_columns: Sequence[str] = ()
    best: Collection[tuple[int, int]] = ()

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


@dataclasses.dataclass(frozen=True)
class Contents:
    """Links to headings further below, those of level 2 and 3.

    Attributes:
      headings: of the report, in their order.
    """

    headings: Sequence[Heading]

    def entries(self) -> list[tuple[Heading, str]]:
        """The headings of level 2 and 3, each with its anchor."""
        every = zip(self.headings, anchors(self.headings), strict=True)
        return [(heading, anchor) for heading, anchor in every if heading.level in (2, 3)]


Block = Heading | Paragraph | Items | Table | Figure | Contents


def anchors(headings: Sequence[Heading]) -> list[str]:
    """A name for each heading that links can lead to, as GitHub makes them of Markdown."""
    counts: dict[str, int] = {}
    found = []
    for heading in headings:
        slug = re.sub(r"[^\w\- ]", "", clean(heading.text).lower()).replace(" ", "-") or "section"
        number = counts.get(slug, 0)
        counts[slug] = number + 1
        found.append(f"{slug}-{number}" if number else slug)
    return found
