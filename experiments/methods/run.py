"""Runs every method on digits and in the classroom, some beside publications; writes the tables.

    python -m experiments.methods.run [--parts=digits,classroom,published,uci] [--report] [--fast]

Every row is `python -m bnn.run`, one binding or a few apart from the others; rows that have ended
are not repeated, one that was stopped goes on where it was. What tables of digits and of published
rows show is kept in `results/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import study
from experiments.methods import classroom, digits, kept, published, uci
from experiments.methods.cases import ACTIVATIONS, CLASSROOM, classroom_jobs, digits_jobs
from experiments.records import recorded
from experiments.runs import Job, provenance, train_all

_HERE = Path(__file__).parent
_ROOT = study.ROOT / "runs" / "methods"
_IMAGES = study.ROOT / "docs" / "pages" / "images"  # the documentation shows them, too
PARTS = ("digits", "classroom", "published", "uci")
# The bounds of the classroom: RMSE inside of the data, and band in the gap over band inside.
RMSE, RATIO = 0.12, 2.0


def main(argv: list[str] | None = None) -> int:
    """Trains what is missing, and writes the tables of all runs that have ended."""
    parser = study.study_parser(__doc__, _HERE, _ROOT)
    parser.add_argument("--parts", type=study.names_of(PARTS), default=list(PARTS))
    options = study.parse_options(parser, argv)
    sections: dict[str, str] = {}  # a part that is not asked for keeps its table
    if "digits" in options.parts:
        jobs = digits_jobs(5 if options.fast else None)
        if (held := _kept("digits", jobs, digits.record, options))["rows"]:
            sections["digits"] = digits.table(held["rows"])
            sections["digits provenance"] = kept.provenance("digits", held)
    if "published" in options.parts:
        jobs = published.jobs(0.2 if options.fast else None)
        if (held := _kept("published", jobs, published.record, options))["rows"]:
            sections["published images"] = published.images_table(held["rows"])
            sections["published provenance"] = kept.provenance("published", held)
    if "uci" in options.parts:
        tried = _kept("uci_rates", uci.rate_jobs(options.fast), uci.validation, options)
        rates = uci.chosen(tried["rows"])
        if (held := _kept("uci", uci.jobs(rates, options.fast), uci.record, options))["rows"]:
            sections["rates"] = uci.rates_table(tried["rows"])
            sections["published uci"] = uci.table(held["rows"], rates)
            sections["uci provenance"] = kept.provenance("uci", held)
    measured = _taught(options, sections) if "classroom" in options.parts else {}
    if not sections:
        print(f"no run below {options.root} has ended; leave --report out.", file=sys.stderr)
        return 1
    study.write_readme(_HERE / "README.md", sections, options.output)
    images = _IMAGES if options.output == _HERE else options.output
    for activation in ACTIVATIONS:
        shown = {n: measured[n, activation] for n in CLASSROOM if (n, activation) in measured}
        if shown:
            classroom.draw(shown, images / f"methods_{activation}.png")
    return 0


def _kept(
    part: str, jobs: Mapping[str, Job], record: kept.Record, options: argparse.Namespace
) -> dict[str, Any]:
    """Trains a part unless only a report is asked for, and keeps its records."""
    timed = None if options.report else kept.train(jobs, options.root, options.workers)
    path = options.output / "results" / f"{part}.json"
    return kept.keep(path, jobs, options.root, record, timed)


def _taught(options: argparse.Namespace, sections: dict[str, str]) -> dict[tuple[str, str], Any]:
    """Trains in the classroom, likewise; what each run that has ended says, its table added."""
    points = options.root / "classroom.npz"
    lessons = classroom_jobs(str(points), 10 if options.fast else None)
    if not options.report:
        classroom.write_points(points)
        train_all(lessons.values(), options.root, options.workers)
    taught = {key: job for key, job in lessons.items() if job.results(options.root)}
    measured = {key: _evaluated(options.root / job.name) for key, job in taught.items()}
    if taught:
        sections["classroom"] = classroom_table(measured)
        sections["classroom provenance"] = _provenance("classroom", taught, options.root)
    return measured


def _evaluated(folder: Path) -> dict[str, Any]:
    path = folder.with_name(f"{folder.name}.evaluated.json")
    return recorded(path, {"run": folder.name}, lambda: classroom.evaluate(folder))


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
    command = f"`python -m experiments.methods.run --parts={part}`"
    spent = sum(json.loads((root / f"{j.name}.job.json").read_text())["cpu_seconds"]
                for j in jobs.values())  # fmt: skip
    return (
        f"\n{command}, {provenance(list(jobs.values()), root)}: {spent / 120:.1f} min on 2 cores.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
