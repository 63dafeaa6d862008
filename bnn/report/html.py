"""A report as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from pathlib import Path

from bnn.report.document import (
    Block,
    Contents,
    Figure,
    Heading,
    Items,
    Paragraph,
    Table,
    anchors,
    clean,
)

_STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --page: #fff; --soft: #333; --code: #f2f2f2;
        --line: #ddd; --rule: #555; --link: #00558c; }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e4e4e4; --page: #17191c; --soft: #bbb; --code: #2a2d31; --line: #3a3d41;
          --rule: #999; --link: #7cc0ee; }
  figure img { background: #fff; border-radius: 4px; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
       max-width: 80rem; margin: 2rem auto; padding: 0 1.2rem; }
a { color: var(--link); }
h1 { font-size: 1.7rem; } h2 { font-size: 1.35rem; margin-top: 2.6rem;
     border-bottom: 1px solid var(--rule); padding-bottom: .2rem; }
h3 { font-size: 1.1rem; margin-top: 1.8rem; }
h4 { font-size: 1rem; margin-bottom: .6rem; }
h1, h2, h3, h4, p, li, figcaption { overflow-wrap: anywhere; }
p, li { max-width: 48rem; }
nav ul { columns: 16rem; padding-left: 1.2rem; } nav li.below { margin-left: 1.2rem; }
code { font-size: .92em; background: var(--code); padding: 0 .2em; border-radius: 2px;
       overflow-wrap: anywhere; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line); text-align: left;
         vertical-align: top; }
td { max-width: 19rem; overflow-wrap: break-word; }
th { border-bottom: 2px solid var(--rule); vertical-align: bottom; }
td.number, th.number { text-align: right; white-space: nowrap; }
th.number { white-space: normal; }
.figures { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: .86rem; color: var(--soft); max-width: 34rem; }
@media print { body { max-width: none; margin: 0; font-size: 10pt; }
               figure, table { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
               .figures { display: block; } figure { margin-bottom: 1.2rem; }
               .table { overflow: visible; } table { font-size: 7pt; }
               th, td { padding: .15rem .25rem; } th.number, td.number { white-space: normal; } }
"""
# The resolution of the figures is 200 pixels to an inch, that of CSS 96.
_SCALE = 96 / 200


def to_html(blocks: Iterable[Block], figures: Path) -> str:
    """Renders the blocks as a page; the images of the folder `figures` are put into it."""
    blocks = list(blocks)
    title = next((b.text for b in blocks if isinstance(b, Heading)), "Report")
    headings = [block for block in blocks if isinstance(block, Heading)]
    names = iter(anchors(headings))
    body, row = [], []
    for block in blocks:
        if isinstance(block, Figure):
            row.append(_figure(block, figures))
            continue
        body += _row(row)
        row = []
        body.append(_block(block, next(names) if isinstance(block, Heading) else ""))
    body += _row(row)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(clean(title))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _row(figures: list[str]) -> list[str]:
    return ['<div class="figures">', *figures, "</div>"] if figures else []


def _block(block: Block, anchor: str) -> str:
    if isinstance(block, Heading):
        name = html.escape(anchor, quote=True)
        return f'<h{block.level} id="{name}">{_inline(block.text)}</h{block.level}>'
    if isinstance(block, Contents):
        links = [
            f"<li{' class=below' if heading.level == 3 else ''}>"
            f'<a href="#{html.escape(name, quote=True)}">{_inline(heading.text)}</a></li>'
            for heading, name in block.entries()
        ]
        return f"<nav><ul>{''.join(links)}</ul></nav>"
    if isinstance(block, Paragraph):
        return f"<p>{_inline(block.text)}</p>"
    if isinstance(block, Items):
        return "<ul>" + "".join(f"<li>{_inline(text)}</li>" for text in block.texts) + "</ul>"
    assert isinstance(block, Table)
    return _table(block)


def _table(table: Table) -> str:
    def row(tag: str, cells: Iterable[str], place: int = -1) -> str:
        marked = []
        for column, (number, cell) in enumerate(zip(table.is_number, cells, strict=True)):
            text = _inline(cell)
            text = f"<b>{text}</b>" if (place, column) in table.best else text
            marked.append(f"<{tag}{' class=number' if number else ''}>{text}</{tag}>")
        return f"<tr>{''.join(marked)}</tr>"

    rows = "\n".join(row("td", cells, i) for i, cells in enumerate(table.rows))
    return (
        f'<div class="table"><table>\n<thead>{row("th", table.columns)}</thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _figure(figure: Figure, folder: Path) -> str:
    content = (folder / figure.file).read_bytes()
    width = int.from_bytes(content[16:20], "big")  # of the PNG's header
    data = base64.b64encode(content).decode("ascii")
    caption = _inline(figure.caption)
    return (
        f'<figure><img alt="{html.escape(clean(figure.caption))}" width="{round(width * _SCALE)}" '
        f'src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(clean(text)))
