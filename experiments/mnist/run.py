"""Runs the study of MNIST and Fashion-MNIST and writes its tables and figures.

    python -m experiments.mnist.run [--seeds=0,1,2] [--root=runs/images] [--data_dir=DIR] [--fast]

Resumable: what is there is not repeated. LeNet-5's runs are those of
`python -m experiments.shift.run`, too.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from experiments.image_runs import Job, parse_options, study_parser, train_all
from experiments.mnist.candidates import CANDIDATES, validate
from experiments.mnist.cases import BEST, CASES, NUM_SAMPLES, mlp

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
    options = _parse(argv)
    if options.data_dir:
        os.environ["BNN_DATA_DIR"] = options.data_dir
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    root = options.root.resolve()
    jobs = _jobs(options)
    if not options.report:
        train_all(jobs, root, options.workers)
    jobs = [job for job in jobs if job.results(root) is not None]
    if not jobs:
        print(f"no run below {root} has ended; leave --report out.", file=sys.stderr)
        return 1
    num_samples = 2 if options.fast else NUM_SAMPLES
    ready = _ready(jobs, "validation.json", root, options)
    validated = {
        candidate.name: validate(root / candidate.job().name, num_samples)
        for candidate in CANDIDATES
        if candidate.job().name in ready
    }
    ready = _ready(jobs, "pruning.json", root, options)
    curves = _pruning(options, root, ready, num_samples)
    from experiments.mnist.report import write_report

    write_report(options.output, root, options.seeds, jobs, validated, curves)
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


def _ready(jobs: list[Job], file: str, root: Path, options: argparse.Namespace) -> set[str]:
    """Names of the runs that may be evaluated: with --report only those that have been."""
    return {job.name for job in jobs if not options.report or (root / job.name / file).exists()}


def _pruning(
    options: argparse.Namespace, root: Path, ready: set[str], num_samples: int
) -> dict[str, list[dict[str, Any]]]:
    """The curves of all seeds that have ended, by the fit's title."""
    from experiments.mnist.pruning import pruning_curve

    sizes: dict[str, Any] = {"shares": (0.0, 0.9), "num_images": 200} if options.fast else {}
    curves = {
        title: [
            pruning_curve(root / name, num_samples if case.random else 1, **sizes)
            for name in (case.job(seed).name for seed in options.seeds)
            if name in ready
        ]
        for title, case in _PRUNED.items()
    }
    return {title: runs for title, runs in curves.items() if runs}


def _parse(argv: list[str] | None) -> argparse.Namespace:
    return parse_options(study_parser(__doc__ or "", _HERE), argv)


if __name__ == "__main__":
    sys.exit(main())
