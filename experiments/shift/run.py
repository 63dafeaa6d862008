"""Runs the study of shifted and foreign inputs and writes its tables and figures.

    python -m experiments.shift.run [--seeds=0,1,2] [--root=runs/images] [--data_dir=DIR] [--fast]

Resumable: runs and evaluations that are there are not repeated. The runs are those of
`python -m experiments.mnist.run`, too: what that has trained is only evaluated.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.image_runs import ONE_THREAD, parse_options, study_parser, train_all
from experiments.shift.jobs import ARMS, EPOCHS, FOREIGN, Fit

_HERE = Path(__file__).parent
_NUM_SAMPLES = 16


def main(argv: list[str] | None = None) -> int:
    """Trains, evaluates, and writes tables and figures of all runs."""
    options = _parse(argv)
    if options.data_dir:
        os.environ["BNN_DATA_DIR"] = options.data_dir
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    root = options.root.resolve()
    epochs = options.epochs or (0.1 if options.fast else EPOCHS)
    fits = [Fit(data, arm, seed) for seed in options.seeds for data in FOREIGN for arm in ARMS]
    if options.report:
        fits = [fit for fit in fits if (root / fit.job(epochs).name / "shift.json").exists()]
        if not fits:
            print(f"no run below {root} has been evaluated; leave --report out.", file=sys.stderr)
            return 1
    train_all([fit.job(epochs) for fit in fits], root, options.workers)
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for fit, evaluated in zip(fits, _evaluate(fits, epochs, root, options), strict=True):
        results.setdefault((fit.data, fit.arm.name), []).append(evaluated)
    from experiments.shift.report import write_report

    write_report(options.output, results, root, [fit.job(epochs) for fit in fits], epochs)
    return 0


def _evaluate(
    fits: Sequence[Fit], epochs: float, root: Path, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """The results of all runs, several at a time on one thread each."""
    from experiments.shift.evaluation import evaluate_run

    begin = time.monotonic()
    sizes = {"num_images": 200, "every": 6} if options.fast else {}
    calls = [
        (
            root / fit.job(epochs).name,
            (2 if options.fast else _NUM_SAMPLES) if fit.arm.random else 1,
        )
        for fit in fits
    ]
    if options.workers == 1 or options.fast or options.report:
        return [evaluate_run(*call, **sizes) for call in calls]
    os.environ.update(ONE_THREAD)  # read by the processes, which begin anew
    with concurrent.futures.ProcessPoolExecutor(
        options.workers, multiprocessing.get_context("spawn")
    ) as pool:
        futures = {pool.submit(evaluate_run, *call): call[0].name for call in calls}
        for future in concurrent.futures.as_completed(futures):
            future.result()
            print(f"+ {futures[future]}: evaluated at {time.monotonic() - begin:.0f} s", flush=True)
    return [future.result() for future in futures]


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = study_parser(__doc__ or "", _HERE)
    parser.add_argument("--epochs", type=float, help=f"of every run; {EPOCHS} by default")
    return parse_options(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
