"""Measures what predictions cost and what a tolerance holds; writes the README.

    python -m experiments.predictive.run [--parts=moments_time,tolerance] [--root=DIR] [--report]

Trains its runs where they are missing. Each part leaves its numbers in `results/`; one that is not
asked for keeps those it has. Parts with seconds want a machine that does nothing else.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments import study
from experiments.predictive import bounds
from experiments.predictive.cases import EVERY, REFERENCE
from experiments.records import built_with, made, stamp, write_json
from experiments.study import ROOT

_HERE = Path(__file__).parent
PARTS = {
    "moments_time": bounds.moments_time,
    "tolerance": bounds.tolerance,
    "start": bounds.start,
}
Lines = Iterable[list[str]]


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.3g}"


def _moments_time(said: Any) -> tuple[list[str], Lines]:
    head = ["network", "what", "seconds", "of 100 weight samples", "of tfp.layers, 100 passes"]
    lines = []
    for name, row in said["rows"].items():
        peers = [n for n in row if n.startswith("tfp")]
        best = min(peers, key=lambda n: statistics.median(row[n])) if peers else None
        for what, seconds in row.items():
            of = f"{bounds.ratio(row, what, best):.3f}" if best else "–"
            ours = f"{bounds.ratio(row, what, 'samples'):.3f}"
            lines.append([name, what, _median(seconds), ours, of])
    return head, lines


def _tolerance(said: Any) -> tuple[list[str], Lines]:
    head = ["network", "what", "seconds", "of S = 100", "samples an input"]
    head += ["standard error ≤ 0.01 for", "error ≤ 0.01 for"]
    lines = []
    for name, asks in said["rows"].items():
        fixed = statistics.median(asks["S = 100"]["seconds"])
        for what, row in asks.items():
            seconds = statistics.median(row["seconds"])
            cells = [f"{seconds:.3g}", f"{seconds / fixed:.2f}", f"{row['samples']:.1f}"]
            shares = [f"{100 * row[share]:.1f} %" for share in ("stated", "true")]
            lines.append([name, what, *cells, *shares])
    return head, lines


def _start(said: Any) -> tuple[list[str], Lines]:
    seconds = said["seconds"]
    lines = [[name, _median(seconds[name])] for name in seconds]
    lines.append(["ratio", f"{bounds.ratio(seconds, 'exported', 'restored'):.2f}"])
    return ["first answer", "seconds"], lines


_TABLES = {
    "moments_time": _moments_time,
    "tolerance": _tolerance,
    "start": _start,
}


def table(part: str, values: dict[str, Any]) -> str:
    """One part's numbers as Markdown, and what made them."""
    head, lines = _TABLES[part](values)
    return f"\n{study.markdown(head, lines)}\n{values['about']}\n\n"


def main(argv: list[str] | None = None) -> int:
    """Measures the parts asked for and writes the README."""
    parser = study.study_parser(__doc__, _HERE, ROOT / "runs" / "predictive", fast=False)
    parser.add_argument("--parts", type=study.names_of(PARTS), default=PARTS, help="default all")
    options = study.parse_options(parser, argv)
    results = options.output / "results"
    results.mkdir(parents=True, exist_ok=True)
    for part in () if options.report else options.parts:
        values, now = PARTS[part](options.root), stamp()
        about = (
            f"`python -m experiments.predictive.run --parts={part}`, {made([now])}, "
            f"{built_with(now)}; reference: {REFERENCE} samples, one test input in {EVERY}."
        )
        write_json(results / f"{part}.json", {**values, "about": about})
        print(table(part, {**values, "about": about}), flush=True)
    held = {part: results / f"{part}.json" for part in PARTS}
    parts = {p: table(p, json.loads(path.read_text())) for p, path in held.items() if path.exists()}
    study.write_readme(_HERE / "README.md", parts, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
