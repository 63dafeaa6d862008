"""What a report says of a search by `launch.tune`: its trials, the best first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bnn.figures import search_trials
from bnn.formatting import is_number, show
from bnn.report.document import Block, Figure, Heading, Paragraph, Table, code
from bnn.report.figure_files import figure_file

TRIALS = "trials.json"
_STATES = ("finished", "pruned", "fail")


def read_trials(root: Path) -> list[dict[str, Any]]:
    """The trials that a search wrote down; none where there is no such file, or a damaged one."""
    try:
        rows = json.loads((root / TRIALS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [row for row in rows if _is_trial(row)] if isinstance(rows, list) else []


def _is_trial(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("folder"), str)
        and row.get("state") in _STATES
        and isinstance(row.get("choices"), dict)
        and (row.get("valid_nll") is None or is_number(row["valid_nll"]))
    )


def was_stopped(folder: Path) -> bool:
    """Whether an unfinished run is a search's, which pruned it or saw it fail: it is complete."""
    rows = read_trials(folder.parent)
    return any(row["folder"] == folder.name and row["state"] != "finished" for row in rows)


def tuning_blocks(paths: Iterable[str | Path], figures: Path | None = None) -> list[Block]:
    """A section for every search among the paths, with its figure where there is a folder."""
    blocks: list[Block] = []
    for root in dict.fromkeys(map(Path, paths)):
        rows = read_trials(root)
        if rows:
            blocks += [Heading(f"Search {root.name}", 2), Paragraph(_words(rows)), _table(rows)]
            blocks += _figure(rows, root.name, figures) if figures is not None else []
    return blocks


def _words(rows: list[dict[str, Any]]) -> str:
    counts = {state: sum(row["state"] == state for row in rows) for state in _STATES}
    best = rows[0]
    text = (
        f"{len(rows)} trials: {counts['finished']} finished, {counts['pruned']} stopped above the "
        f"median, {counts['fail']} failed. The validation part chose; test metrics of the best "
        "trial are those of one run, and its validation NLL is the lowest of many, hence too low."
    )
    if best["valid_nll"] is not None:
        chosen = ", ".join(code(f"{name} = {value}") for name, value in best["choices"].items())
        text += f" Best: {chosen}."
    return text


def _figure(rows: list[dict[str, Any]], name: str, folder: Path) -> list[Block]:
    """The scores of the trials, in the order in which they were tried; none without a score."""
    tried = [
        row
        for row in sorted(rows, key=lambda row: row["folder"])
        if row["state"] != "fail" and row["valid_nll"] is not None
    ]
    names = list(dict.fromkeys(name for row in tried for name in row["choices"]))
    if not tried:
        return []
    file = figure_file(folder, "search", name)
    search_trials(
        {each.rpartition(".")[2]: [r["choices"].get(each, "–") for r in tried] for each in names},
        [row["valid_nll"] for row in tried],
        folder / file,
        stopped=[row["state"] == "pruned" for row in tried],
    )
    return [
        Figure(
            file,
            f"{name}: the validation NLL of the trials, and against what was chosen. Crosses: "
            "stopped above the median, with the value that they had then.",
        )
    ]


def _table(rows: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row["choices"]))
    cells = [
        [
            row["folder"],
            row["state"],
            *(_cell(row["choices"].get(name)) for name in names),
            "–" if row["valid_nll"] is None else show(row["valid_nll"]),
        ]
        for row in rows
    ]
    return Table(["trial", "state", *names, "validation NLL, nats"], cells, 2 + len(names))


def _cell(value: Any) -> str:
    return show(value, trim=True) if is_number(value) else str(value)
