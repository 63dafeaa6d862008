"""Runs every method on digits and in the classroom, and writes the tables.

    python -m experiments.methods.run [--parts=digits,classroom] [--report] [--fast]

Every row is `python -m bnn.run`, one binding or a few apart from the others; rows that have ended
are not repeated, one that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnn.tracking import read_jsonl
from experiments import study
from experiments.methods import classroom
from experiments.methods.cases import (
    ACTIVATIONS,
    CLASSROOM,
    DIGITS,
    classroom_jobs,
    digits_jobs,
)
from experiments.records import recorded
from experiments.runs import Job, provenance, train_all

_HERE = Path(__file__).parent
_ROOT = study.ROOT / "runs" / "methods"
_IMAGES = study.ROOT / "docs" / "pages" / "images"  # the documentation shows them, too
PARTS = ("digits", "classroom")
# The bounds of the classroom: RMSE inside of the data, and band in the gap over band inside.
RMSE, RATIO = 0.12, 2.0


def main(argv: list[str] | None = None) -> int:
    """Trains what is missing, and writes the tables of all runs that have ended."""
    parser = study.study_parser(__doc__, _HERE, _ROOT)
    parser.add_argument("--parts", type=study.names_of(PARTS), default=list(PARTS))
    options = study.parse_options(parser, argv)
    points = options.root / "classroom.npz"
    digits = digits_jobs(5 if options.fast else None)
    lessons = classroom_jobs(str(points), 10 if options.fast else None)
    if not options.report:
        if "digits" in options.parts:
            train_all(digits.values(), options.root, options.workers)
        if "classroom" in options.parts:
            classroom.write_points(points)
            train_all(lessons.values(), options.root, options.workers)
    # A part that is not asked for keeps its table.
    asked: dict[str, dict[Any, Job]] = {"digits": {**digits}, "classroom": {**lessons}}
    ended, taught = (
        {
            n: job
            for n, job in asked[part].items()
            if part in options.parts and job.results(options.root)
        }
        for part in PARTS
    )
    if not ended and not taught:
        print(f"no run below {options.root} has ended; leave --report out.", file=sys.stderr)
        return 1
    measured = {key: _evaluated(options.root / job.name) for key, job in taught.items()}
    sections = {}
    if ended:
        sections["digits"] = digits_table(ended, options.root)
        sections["digits provenance"] = _provenance("digits", ended, options.root)
    if taught:
        sections["classroom"] = classroom_table(measured)
        sections["classroom provenance"] = _provenance("classroom", taught, options.root)
    study.write_readme(_HERE / "README.md", sections, options.output)
    images = _IMAGES if options.output == _HERE else options.output
    for activation in ACTIVATIONS:
        shown = {n: measured[n, activation] for n in CLASSROOM if (n, activation) in measured}
        if shown:
            classroom.draw(shown, images / f"methods_{activation}.png")
    return 0


def _evaluated(folder: Path) -> dict[str, Any]:
    path = folder.with_name(f"{folder.name}.evaluated.json")
    return recorded(path, {"run": folder.name}, lambda: classroom.evaluate(folder))


def digits_table(jobs: Mapping[str, Job], root: Path) -> str:
    """Test metrics and cost by method."""
    head = (
        *("method", "test NLL, nats", "accuracy, %", "ECE", "functions asked for"),
        *("bound, nats per example", "gradients, passes over the data", "run, CPU s"),
        "bindings",
    )
    lines = []
    for name, job in jobs.items():
        results = job.results(root) or {}
        test = results["test"]
        lines.append(
            [
                *(DIGITS[name].title, f"{test['nll']:.4f}", f"{100 - 100 * test['error']:.2f}"),
                *(f"{test['ece']:.3f}", str(results["num_predict_samples"])),
                _bound(results, root / job.name),
                f"{results['passes_over_the_data']:,.0f}",
                *(f"{job.cost(root)['cpu_seconds']:.0f}", DIGITS[name].shown),
            ]
        )
    return study.markdown(head, lines)


def _bound(results: Mapping[str, Any], folder: Path) -> str:
    """NLL + KL / N at the training's end, of the methods that minimise it."""
    if "kl_weight" not in results:
        return "–"
    return f"{read_jsonl(folder / 'metrics.jsonl')[-1]['loss']:.2f}"


def classroom_table(measured: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """RMSE inside of the data and widths of the band, by method and activation."""
    head = (
        *("method", "activation", "RMSE inside", "band inside", "band in the gap", "ratio"),
        *("functions", f"RMSE ≤ {RMSE:g} and ratio ≥ {RATIO:g}"),
    )
    lines = []
    for (name, activation), found in measured.items():
        ratio, band = found["ratio"], found["band"]
        holds = found["rmse"] <= RMSE and ratio is not None and ratio >= RATIO
        lines.append(
            [
                *(CLASSROOM[name].title, activation, f"{found['rmse']:.3f}"),
                *(f"{band['inside']:.3f}", f"{band['gap']:.3f}"),
                *("–" if ratio is None else f"{ratio:.1f}", str(found["num_functions"])),
                "yes" if holds else "no",
            ]
        )
    return study.markdown(head, lines)


def _provenance(part: str, jobs: Mapping[Any, Job], root: Path) -> str:
    if not jobs:
        return ""
    command = f"`python -m experiments.methods.run --parts={part}`"
    spent = sum(json.loads((root / f"{j.name}.job.json").read_text())["cpu_seconds"]
                for j in jobs.values())  # fmt: skip
    return (
        f"\n{command}, {provenance(list(jobs.values()), root)}: {spent / 120:.1f} min on 2 cores.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
