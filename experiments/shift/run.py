"""Runs the study of shifted and foreign inputs and writes its tables and figures.

    python -m experiments.shift.run [--seeds=0,1,2] [--root=runs/images] [--data_dir=DIR] [--fast]

Resumable: runs and evaluations that are there are not repeated. The runs are those of
`python -m experiments.mnist.run`, too: what that has trained is only evaluated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from experiments import study
from experiments.records import revisions
from experiments.runs import IMAGES, Job, provenance, train_all
from experiments.shift.evaluation import FILENAME, evaluate_run
from experiments.shift.figures import draw_entropy, draw_shifts
from experiments.shift.jobs import ARMS, EPOCHS, FOREIGN, Fit
from experiments.shift.tables import Results, foreign_table, shift_table, test_table

_HERE = Path(__file__).parent
_NUM_SAMPLES = 16


def main(argv: list[str] | None = None) -> int:
    """Trains, evaluates, and writes tables and figures of all runs."""
    parser = study.study_parser(__doc__, _HERE, IMAGES)
    parser.add_argument("--seeds", type=study.parse_seeds, default=(0, 1, 2), help="such as 0,1,2")
    parser.add_argument("--epochs", type=float, help=f"of every run; {EPOCHS} by default")
    options = study.parse_options(parser, argv)
    epochs = options.epochs or (0.1 if options.fast else EPOCHS)
    fits = [Fit(data, arm, seed) for seed in options.seeds for data in FOREIGN for arm in ARMS]
    jobs = {fit: fit.job(epochs) for fit in fits}
    if options.report:
        jobs = {f: job for f, job in jobs.items() if (options.root / job.name / FILENAME).exists()}
        if not jobs:
            print(
                f"no run below {options.root} has been evaluated; leave --report out.",
                file=sys.stderr,
            )
            return 1
    train_all(jobs.values(), options.root, options.workers)
    evaluate = partial(_evaluate, root=options.root, epochs=epochs, fast=options.fast)
    found = study.run_all(
        evaluate if options.fast or options.report else study.apart(evaluate),
        jobs,
        1 if options.fast else options.workers,
        lambda fit, _: f"+ {jobs[fit].name}: evaluated",
    )
    results: Results = {}
    for fit, evaluated in zip(jobs, found, strict=True):
        results.setdefault((fit.data, fit.arm.name), []).append(evaluated)
    _write(options.output, results, options.root, list(jobs.values()), epochs)
    return 0


def _evaluate(fit: Fit, root: Path, epochs: float, fast: bool) -> dict:
    num_samples = 2 if fast else _NUM_SAMPLES
    sizes = {"num_images": 200, "every": 6} if fast else {}
    folder = root / fit.job(epochs).name
    return evaluate_run(folder, num_samples if fit.arm.random else 1, **sizes)


def _write(folder: Path, results: Results, root: Path, jobs: Sequence[Job], epochs: float) -> None:
    """Fills the README, and draws."""
    evaluated = [result for seeds in results.values() for result in seeds]
    seeds = ",".join(str(seed) for seed in sorted({job.seed for job in jobs}))
    parts = {
        "test": test_table(results),
        **{f"foreign {data}": foreign_table(results, data) for data in FOREIGN},
        **{
            f"{kind} {metric}": shift_table(results, kind, metric)
            for kind in ("rotation", "translation")
            for metric in ("accuracy", "brier", "ece")
        },
        "provenance": f"`python -m experiments.shift.run --seeds={seeds}`, {epochs:g} epochs, "
        f"{provenance(jobs, root)}, and {sum(result['seconds'] for result in evaluated) / 60:.0f} "
        f"min of evaluation on one CPU core (revision {revisions(evaluated)}).\n",
    }
    study.write_readme(_HERE / "README.md", parts, folder)
    draw_shifts(results, folder / "shifts.png")
    for data in dict.fromkeys(data for data, _ in results):
        draw_entropy(results, data, folder / f"entropy_{data}.png")


if __name__ == "__main__":
    sys.exit(main())
