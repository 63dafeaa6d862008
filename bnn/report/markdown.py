"""A report in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from bnn.report.document import Block, Figure, Heading, Items, Paragraph, Table


def to_markdown(blocks: Iterable[Block], figures: str = "figures") -> str:
    """Renders the blocks; figures are linked below the folder `figures`."""
    return "\n\n".join(_block(block, figures) for block in blocks) + "\n"


def _block(block: Block, figures: str) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Paragraph):
        return block.text
    if isinstance(block, Items):
        return "\n".join(f"- {text}" for text in block.texts)
    if isinstance(block, Table):
        return _table(block)
    assert isinstance(block, Figure)
    alternative = block.caption.partition(". ")[0].replace("[", "(").replace("]", ")")
    return f"![{alternative}]({figures}/{block.file})\n\n*{block.caption}*"


def _table(table: Table) -> str:
    marks = ["---:" if number else "---" for number in table.is_number]
    lines = [list(table.columns), marks, *map(list, table.rows)]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
