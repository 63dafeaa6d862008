"""Writes the study's tables into its README, and its figures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn.training import write_text
from experiments.image_runs import Job, fill, provenance
from experiments.mnist.cases import CASES, SETS
from experiments.mnist.figures import draw_pruning, draw_rows
from experiments.mnist.results import Row, collect, ensemble
from experiments.mnist.tables import (
    PARTS,
    candidates_table,
    goals_table,
    pruning_table,
    published_table,
    rows_table,
)

_TEMPLATE = Path(__file__).parent / "README.md"


def rows_of(seeds: Sequence[int], root: Path) -> list[Row]:
    """All rows, in the order of the tables: each ensemble stands after its members' row."""
    rows = []
    for row in sorted(collect(CASES, seeds, root), key=lambda row: row.case.network):
        rows.append(row)
        whole = None if row.case.random else ensemble(row, root)
        if whole is not None:
            rows.append(whole)
    return rows


def write_report(
    folder: Path,
    root: Path,
    seeds: Sequence[int],
    jobs: Sequence[Job],
    validated: Mapping[str, Mapping[str, float]],
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """Fills every `<!-- name -->` … `<!-- end of name -->` of the README, and draws.

    Args:
      folder: of the README and figures; another one than the study's gets a copy.
      root: folder of the runs.
      seeds: of the runs.
      jobs: the runs that have ended.
      validated: what `validate` gave, by candidate.
      curves: what `pruning_curve` gave, by the fit's title.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows_of(seeds, root)
    parts = {
        "goals": goals_table(rows),
        "candidates": candidates_table(validated),
        "pruning": pruning_table(curves),
        "provenance": f"`python -m experiments.mnist.run --seeds={','.join(map(str, seeds))}`, "
        f"{provenance(jobs, root)}.\n",
    }
    for data in SETS:
        parts |= {f"{data} {part}": rows_table(rows, data, part) for part in PARTS}
        parts[f"{data} published"] = published_table(data)
    text = fill(_TEMPLATE.read_text(), parts, _TEMPLATE)
    for data in SETS:
        if any(row.case.data == data for row in rows):
            draw_rows(rows, data, folder / f"{data}.png")
    if curves:
        draw_pruning(curves, folder / "pruning.png")
    write_text(folder / "results.json", json.dumps([_values(row) for row in rows], indent=1) + "\n")
    write_text(folder / "README.md", text)


def _values(row: Row) -> dict[str, Any]:
    """A row's numbers by seed, for other programs."""
    return {
        "case": row.case.name,
        "estimator": row.case.estimator,
        "kl_weight": row.case.kl_weight,
        "num_samples": row.num_samples,
        "seeds": list(row.seeds),
        **{name: values.tolist() for name, values in row.values.items()},
    }
