"""From the units' files to the tables, the figure and the README."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.records import csv_text, listed, made, write_text
from experiments.study import write_readme
from experiments.uci.candidates import Candidate
from experiments.uci.choice import Result, Summary, chosen, summaries
from experiments.uci.figure import draw
from experiments.uci.stacking import Key, Points, Weights, stacked
from experiments.uci.tables import table
from experiments.uci.units import read

_COLUMNS = (
    "set", "candidate", "split", "part", "num_train", "num_predicted", "samples",
    "log_likelihood", "rmse", "coverage_95", "train_nll", "kl", "elbo",
    "train_seconds", "evaluate_seconds",
)  # fmt: skip

_CAPTION = (
    "Test log-likelihood and RMSE, mean and standard error over splits. Circles: our candidates; "
    "diamond: chosen on validation data; triangle: stacked on validation data; squares: published "
    "(standard deviations are not drawn); dotted: what was to be reached."
)


def write_results(root: Path, output: Path, readme: Path) -> None:
    """Writes the README, and `splits.csv`, `weights.csv`, `results.json`, `table.md`, the figure.

    Raises:
      ValueError: no unit has ended, or units were made with different settings or by an earlier
        version.
    """
    units = [read(file) for file in sorted(root.glob("*/*.json"))]
    if not units:
        raise ValueError(f"root {root} must hold at least one unit that has ended.")
    settings = units[0]["asked"]
    for unit in units:
        if unit["asked"] != settings:
            raise ValueError(
                f"root {root} holds units of different settings, {unit['asked']} and "
                f"{settings}; name another --root, or delete those that do not belong."
            )
    results = [_result(unit, row) for unit in units for row in unit["rows"]]
    mixtures, weights = stacked(results, _points(units))
    results += [*chosen(results), *mixtures]
    rows = summaries(results)
    about = _about(units) | {"rows": [row._asdict() for row in rows]}
    folder = output / "results"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "splits.csv", _splits_csv(units))
    write_text(folder / "weights.csv", _weights_csv(weights))
    write_text(folder / "results.json", json.dumps(about, indent=1, allow_nan=False) + "\n")
    text = document(rows, results, weights, about)
    write_text(folder / "table.md", text)
    draw(rows, folder / "results.png")
    write_readme(readme, {"results": f"\n{text}\n"}, output)


def document(
    rows: Sequence[Summary],
    results: Sequence[Result],
    weights: Sequence[Weights],
    about: Mapping[str, Any],
) -> str:
    """The figure, the tables and what made them."""
    tables = table(rows, results, weights, about["settings"])
    return f"![{_CAPTION}](results/results.png)\n\n{_CAPTION}\n\n{tables}\n{_provenance(about)}"


def _result(unit: dict[str, Any], row: dict[str, Any]) -> Result:
    candidate = Candidate(**unit["candidate"])
    fields = {name: row[name] for name in Result._fields if name in row}
    return Result(set=unit["set"], title=candidate.title, **fields)


def _points(units: Sequence[dict[str, Any]]) -> dict[Key, Points]:
    return {
        (unit["set"], Candidate(**unit["candidate"]).title, row["split"], row["part"]): (
            Points.from_row(row)
        )
        for unit in units
        for row in unit["rows"]
    }


def _splits_csv(units: Sequence[dict[str, Any]]) -> str:
    rows = [
        {"set": unit["set"], "candidate": Candidate(**unit["candidate"]).name, **row}
        for unit in units
        for row in unit["rows"]
    ]
    return csv_text(rows, _COLUMNS, digits=6)


def _weights_csv(weights: Sequence[Weights]) -> str:
    rows = [
        {"set": w.set, "split": w.split, "candidate": title, "weight": f"{weight:.6f}"}
        for w in weights
        for title, weight in w.of.items()
    ]
    return csv_text(rows)


def _about(units: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What made the results."""
    return {
        "command": "python -m experiments.uci.run",
        "date": sorted({u["date"][:10] for u in units}),
        "git_revision": sorted({u["git_revision"] for u in units}),
        "versions": units[0]["versions"],
        "settings": units[0]["asked"],
        "cpu_seconds": {
            name: round(sum(u["cpu_seconds"] for u in units if u["set"] == name))
            for name in sorted({u["set"] for u in units})
        },
    }


def _provenance(about: Mapping[str, Any]) -> str:
    spent = about["cpu_seconds"]
    return (
        f"`{about['command']}`, {made([about])}, seeds "
        f"{about['settings']['seed']} + split; CPU seconds {sum(spent.values())} "
        f"({listed(spent)}), compilation included, one process of one thread per core; "
        f"{listed(about['versions'])}.\n"
    )
