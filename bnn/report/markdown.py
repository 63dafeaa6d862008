"""A report in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bnn.report.document import Block, Contents, Figure, Heading, Items, Paragraph, Table, clean

# What CommonMark or GitHub's dialect of it may take for markup inside of a line.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&#!$])")
_LINKS = re.compile(r"(?i)\b(https?|ftp|mailto):|\bwww\.")
# What begins a block of its own at the start of a line.
_BEGINNINGS = re.compile(r"^(?=[-+=:])|^(\d+)(?=[.)])")


def to_markdown(blocks: Iterable[Block], figures: str = "figures") -> str:
    """Renders the blocks; figures are linked below the folder `figures`.

    Names are shown as they are: nothing in them is taken for Markdown or HTML.
    """
    return "\n\n".join(_block(block, figures) for block in blocks) + "\n"


def _block(block: Block, figures: str) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return _inline(block.text)
    if isinstance(block, Items):
        return "\n".join(f"- {_inline(text)}" for text in block.texts)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Contents):  # no links, so that a name from a folder is never in one
        return "\n".join(
            f"{'  ' * (heading.level - 2)}- {_plain(heading.text)}"
            for heading, _ in block.entries()
        )
    assert isinstance(block, Figure)
    alternative = _plain(block.caption.partition(". ")[0])
    return f"![{alternative}]({figures}/{block.file})\n\n*{_inline(block.caption)}*"


def _table(table: Table) -> str:
    marks = ["---:" if number else "---" for number in table.is_number]
    rows = [
        [_cell(cell, (i, k) in table.best) for k, cell in enumerate(row)]
        for i, row in enumerate(table.rows)
    ]
    lines = [[_cell(column) for column in table.columns], marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str, best: bool = False) -> str:
    escaped = _escape(clean(text))
    return f"**{escaped}**" if best and escaped else escaped


def _inline(text: str) -> str:
    """Plain text with code between backquotes."""
    parts = re.split(r"`([^`]+)`", clean(text))
    parts[::2] = map(_escape, parts[::2])
    parts[0] = _begin(parts[0])
    parts[1::2] = [f"`{code}`" for code in parts[1::2]]
    return "".join(parts)


def _plain(text: str) -> str:
    """The text, read by Markdown as itself."""
    return _begin(_escape(clean(text)))


def _escape(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", text)
    return _LINKS.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", escaped)


def _begin(text: str) -> str:
    """The start of a line, which begins no list, heading or rule."""
    return _BEGINNINGS.sub(r"\1\\", text)
