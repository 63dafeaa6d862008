"""Measures what predictions cost, how exact they are, and what they cover; writes the README.

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
from experiments.predictive import bounds, calibration
from experiments.predictive.cases import EVERY, REFERENCE
from experiments.records import built_with, made, stamp, write_json
from experiments.study import ROOT

_HERE = Path(__file__).parent
PARTS = {
    "moments_time": bounds.moments_time,
    "moments_error": bounds.moments_error,
    "tolerance": bounds.tolerance,
    "coupling": bounds.coupling,
    "memory": bounds.memory,
    "start": bounds.start,
    "alone": bounds.alone,
    "sets": calibration.sets,
    "intervals": calibration.intervals,
    "temperatures": calibration.temperatures,
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


def _moments_error(said: Any) -> tuple[list[str], Lines]:
    head = ["network", "what", "total variation", "of 100 weight samples"]
    lines = []
    for name, row in said["rows"].items():
        samples = statistics.mean(row["samples"])
        for what in ("moments", "variances", "samples"):
            value = samples if what == "samples" else row[what]
            lines.append([name, what, f"{value:.5f}", f"{value / samples:.2f}"])
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


def _coupling(said: Any) -> tuple[list[str], Lines]:
    head = ["run", "independent", "antithetic", "ratio"]
    lines = []
    for name, row in said["rows"].items():
        cells = [f"{value:.2e} ± {error:.0e}" for value, error in row.values()]
        lines.append([name, *cells, f"{row['antithetic'][0] / row['independent'][0]:.3f}"])
    return head, lines


def _memory(said: Any) -> tuple[list[str], Lines]:
    end = "to its end" if said["ended"] else f"{said['watched']:.0f} s"
    return ["peak, GB", "grew last after", "watched"], [
        [f"{said['peak'] / 1e9:.2f}", f"{said['grew']:.0f} s", end]
    ]


def _start(said: Any) -> tuple[list[str], Lines]:
    seconds = said["seconds"]
    lines = [
        [name, _median(seconds[name]), f"{bounds.ratio(seconds, name, 'restored'):.2f}"]
        for name in seconds
    ]
    return ["first answer", "seconds", "of the restored"], lines


def _alone(said: Any) -> tuple[list[str], Lines]:
    lines = [
        ["accuracy without bnn", f"{said['accuracy']:.4f}"],
        ["largest difference to `bnn.predictive`", f"{said['difference']:.1e}"],
    ]
    for share, row in said["sizes"].items():
        what = f"{row['bytes'] / 1e6:.2f} MB, {100 * row['error']:.2f} % of 2,000 wrong"
        lines.append([f"prune={share}", what])
    return ["exported", ""], lines


def _sets(said: Any) -> tuple[list[str], Lines]:
    head = [
        "run",
        "rule",
        "coverage",
        "z",
        "lowest and highest class",
        "largest |z|",
        "classes a set",
    ]
    lines = []
    for name, rules in said["rows"].items():
        for kind, row in rules.items():
            ends = f"{min(row['classes']):.3f} … {max(row['classes']):.3f}"
            z = max(map(abs, row["z of classes"]))
            cells = [f"{row['coverage']:.4f}", f"{row['z']:.1f}", ends, f"{z:.1f}"]
            lines.append([name, kind, *cells, f"{row['size']:.2f}"])
    return head, lines


def _intervals(said: Any) -> tuple[list[str], Lines]:
    lines = [
        [name, kind, f"{row['coverage']:.3f}", f"{row['z']:.1f}", f"{row['width']:.3g}"]
        for name, rules in said["rows"].items()
        for kind, row in rules.items()
    ]
    return ["run", "rule", "coverage", "z", "width"], lines


def _temperatures(said: Any) -> tuple[list[str], Lines]:
    head = ["run", "T", "ECE before", "ECE after", "NLL before", "NLL after"]
    lines = []
    for name, row in said["rows"].items():
        cells = [
            f"{row[when][what]:.4f}" for what in ("ece", "nll") for when in ("before", "after")
        ]
        lines.append([name, f"{row['temperature']:.3f}", *cells])
    return head, lines


_TABLES = {
    "moments_time": _moments_time,
    "moments_error": _moments_error,
    "tolerance": _tolerance,
    "coupling": _coupling,
    "memory": _memory,
    "start": _start,
    "alone": _alone,
    "sets": _sets,
    "intervals": _intervals,
    "temperatures": _temperatures,
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
