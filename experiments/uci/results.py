"""From the units' files to the tables, the figure and the README."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnn.training import write_text
from experiments.uci.candidates import Candidate
from experiments.uci.choice import CHOSEN, Result, chosen, summaries
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


def write_results(workdir: Path, output: Path, readme: Path) -> None:
    """Writes `splits.csv`, `weights.csv`, `results.json`, `table.md`, the figure and the README.

    The README is filled only where `output` is its own `results` folder.

    Raises:
      ValueError: no unit has ended, or units were made with different settings or by an earlier
        version.
    """
    units = [read(file) for file in sorted(workdir.glob("*/*.json"))]
    if not units:
        raise ValueError(f"workdir {workdir} must hold at least one unit that has ended.")
    settings = units[0]["settings"]
    for unit in units:
        if unit["settings"] != settings:
            raise ValueError(
                f"workdir {workdir} holds units of different settings, {unit['settings']} and "
                f"{settings}; name another --workdir, or delete those that do not belong."
            )
    results = [_result(unit, row) for unit in units for row in unit["rows"]]
    mixtures, weights = stacked(results, _points(units))
    results += [*chosen(results), *mixtures]
    rows = summaries(results)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "splits.csv", _splits_csv(units))
    write_text(output / "weights.csv", _weights_csv(weights))
    about = _about(units)
    about["rows"] = [row._asdict() for row in rows]
    write_text(output / "results.json", json.dumps(about, indent=1, allow_nan=False) + "\n")
    text = "\n".join([f"![{_CAPTION}](results/results.png)\n", _CAPTION + "\n"])
    text += "\n" + table(rows, results, weights, settings) + "\n" + _provenance(about)
    write_text(output / "table.md", text)
    draw(rows, output / "results.png")
    if output.resolve() == (readme.parent / "results").resolve():
        fill(readme, text)


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
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for unit in units:
        name = Candidate(**unit["candidate"]).name
        for row in unit["rows"]:
            shown = {k: row[k] for k in _COLUMNS if k in row}
            shown = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in shown.items()}
            writer.writerow({"set": unit["set"], "candidate": name, **shown})
    return text.getvalue()


def _weights_csv(weights: Sequence[Weights]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["set", "split", "candidate", "weight"])
    for given in weights:
        writer.writerows(
            [given.set, given.split, title, f"{weight:.6f}"] for title, weight in given.of.items()
        )
    return text.getvalue()


def _about(units: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What made the results."""
    return {
        "command": "python -m experiments.uci.run",
        "date": sorted({u["date"] for u in units}),
        "git_revision": sorted({u["git_revision"] for u in units}),
        "versions": units[0]["versions"],
        "settings": units[0]["settings"],
        "cpu_seconds": {
            name: round(sum(u["cpu_seconds"] for u in units if u["set"] == name))
            for name in sorted({u["set"] for u in units})
        },
    }


def _provenance(about: dict[str, Any]) -> str:
    seconds = ", ".join(f"{k} {v}" for k, v in about["cpu_seconds"].items())
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
    revisions = ", ".join(r[:12] for r in about["git_revision"])
    return (
        f"`{about['command']}`, {', '.join(about['date'])}, revision {revisions}, seeds "
        f"{about['settings']['seed']} + split; CPU seconds {sum(about['cpu_seconds'].values())} "
        f"({seconds}), compilation included, one process of one thread per core; {versions}.\n"
    )


def fill(readme: Path, text: str) -> None:
    """Puts the text between the README's markers.

    Raises:
      ValueError: the markers are missing.
    """
    begin, end = "<!-- results -->", "<!-- end of results -->"
    whole = readme.read_text()
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(whole):
        raise ValueError(f"{readme} must hold the markers {begin} and {end}; add them.")
    write_text(readme, pattern.sub(lambda _: f"{begin}\n\n{text}\n{end}", whole))


__all__ = ["CHOSEN", "fill", "write_results"]
