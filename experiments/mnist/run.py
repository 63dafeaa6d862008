"""Runs the study of MNIST and Fashion-MNIST and writes its tables and figures.

    python -m experiments.mnist.run [--seeds=0,1,2] [--root=runs/images] [--data_dir=DIR] [--fast]

Resumable: what is there is not repeated. LeNet-5's runs are those of
`python -m experiments.shift.run`, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.mnist import candidates, pruning, tables
from experiments.mnist.candidates import CANDIDATES, validate
from experiments.mnist.cases import BEST, CASES, NUM_SAMPLES, SETS, mlp
from experiments.mnist.figures import draw_pruning, draw_rows
from experiments.mnist.pruning import pruning_curve
from experiments.mnist.results import Row, collect, ensemble
from experiments.records import write_text
from experiments.runs import IMAGES, Job, provenance, train_all
from experiments.study import parse_options, parse_seeds, study_parser, write_readme

_HERE = Path(__file__).parent
_FAST = ("run.epochs = 0.1", "run.num_predict_samples = 2")
# The fits that weights are removed from.
_PRUNED = {
    "whole KL, by |μ|/σ": mlp("mnist", BEST),
    "KL × 0.1, by |μ|/σ": mlp("mnist", BEST, kl_weight=0.1),
    "MAP, by |μ|": mlp("mnist", "normal", random=False),
}


def main(argv: list[str] | None = None) -> int:
    """Trains, evaluates, and writes tables and figures of what has ended."""
    parser = study_parser(__doc__, _HERE, IMAGES)
    parser.add_argument("--seeds", type=parse_seeds, default=(0, 1, 2), help="such as 0,1,2")
    options = parse_options(parser, argv)
    jobs = _jobs(options)
    if not options.report:
        train_all(jobs, options.root, options.workers)
    jobs = [job for job in jobs if job.results(options.root) is not None]
    if not jobs:
        print(f"no run below {options.root} has ended; leave --report out.", file=sys.stderr)
        return 1
    num_samples = 2 if options.fast else NUM_SAMPLES
    ready = _ready(jobs, candidates.FILENAME, options)
    validated = {
        candidate.name: validate(options.root / candidate.job().name, num_samples)
        for candidate in CANDIDATES
        if candidate.job().name in ready
    }
    curves = _curves(options, _ready(jobs, pruning.FILENAME, options), num_samples)
    _write(options, jobs, validated, curves)
    return 0


def _jobs(options: argparse.Namespace) -> list[Job]:
    """All runs, the most wanted ones first; of the fast study one of each kind."""
    if options.fast:
        cases = [mlp("mnist", BEST), mlp("mnist", "normal", random=False)]
        cases += [case for case in CASES if case.name == "lenet-mnist-whole"]
        seed = options.seeds[0]
        return [*(case.job(seed, _FAST) for case in cases), CANDIDATES[0].job(_FAST)]
    jobs = [case.job(seed) for case in CASES for seed in options.seeds]
    return [*jobs, *(candidate.job() for candidate in CANDIDATES)]


def _ready(jobs: Iterable[Job], file: str, options: argparse.Namespace) -> set[str]:
    """Names of the runs that may be evaluated: with --report only those that have been."""
    names = (job.name for job in jobs)
    return {name for name in names if not options.report or (options.root / name / file).exists()}


def _curves(
    options: argparse.Namespace, ready: set[str], num_samples: int
) -> dict[str, list[dict[str, Any]]]:
    """What is left of the fits of all seeds that have ended, by the fit's title."""
    sizes: dict[str, Any] = {"shares": (0.0, 0.9), "num_images": 200} if options.fast else {}
    curves = {
        title: [
            pruning_curve(options.root / name, num_samples if case.random else 1, **sizes)
            for name in (case.job(seed).name for seed in options.seeds)
            if name in ready
        ]
        for title, case in _PRUNED.items()
    }
    return {title: runs for title, runs in curves.items() if runs}


def _rows(seeds: Sequence[int], root: Path) -> list[Row]:
    """All rows, in the order of the tables: each ensemble stands after its members' row."""
    rows = []
    for row in sorted(collect(CASES, seeds, root), key=lambda row: row.case.network):
        rows.append(row)
        whole = None if row.case.random else ensemble(row, root)
        if whole is not None:
            rows.append(whole)
    return rows


def _write(
    options: argparse.Namespace,
    jobs: Sequence[Job],
    validated: dict[str, dict[str, Any]],
    curves: dict[str, list[dict[str, Any]]],
) -> None:
    """Fills the README and draws; `results.json` has the numbers by seed for other programs."""
    root, seeds = options.root, ",".join(map(str, options.seeds))
    rows = _rows(options.seeds, root)
    parts = {
        "goals": tables.goals_table(rows),
        "candidates": tables.candidates_table(validated),
        "pruning": tables.pruning_table(curves),
        "provenance": f"`python -m experiments.mnist.run --seeds={seeds}`, "
        f"{provenance(jobs, root)}.\n",
    }
    for data in SETS:
        parts |= {f"{data} {part}": tables.rows_table(rows, data, part) for part in tables.PARTS}
        parts[f"{data} published"] = tables.published_table(data)
    write_readme(_HERE / "README.md", parts, options.output)
    for data in SETS:
        if any(row.case.data == data for row in rows):
            draw_rows(rows, data, options.output / f"{data}.png")
    if curves:
        draw_pruning(curves, options.output / "pruning.png")
    write_text(
        options.output / "results.json", json.dumps([_values(row) for row in rows], indent=1) + "\n"
    )


def _values(row: Row) -> dict[str, Any]:
    return {
        "case": row.case.name,
        "estimator": row.case.estimator,
        "kl_weight": row.case.kl_weight,
        "num_samples": row.num_samples,
        "seeds": list(row.seeds),
        "kl": None if row.kl is None else row.kl.tolist(),
        **{name: values.tolist() for name, values in row.values.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
