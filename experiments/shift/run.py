"""Runs the study of shifted and foreign inputs and writes its tables and figures.

    python -m experiments.shift.run [--seeds=0] [--root=runs/shift] [--data_dir=DIR] [--fast]

Resumable: runs and evaluations that are there are not repeated.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from experiments.shift.jobs import ARMS, FOREIGN, ROOT, Job

_HERE = Path(__file__).parent
_EPOCHS = 15
_NUM_SAMPLES = 16


def main(argv: list[str] | None = None) -> int:
    """Trains, evaluates, and writes what there is after every run."""
    options = _parse(argv)
    if options.data_dir:
        os.environ["BNN_DATA_DIR"] = options.data_dir
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    root, begin = options.root.resolve(), time.monotonic()
    epochs = options.epochs or (0.1 if options.fast else _EPOCHS)
    jobs = [Job(data, arm, seed) for seed in options.seeds for data in FOREIGN for arm in ARMS]
    if options.report:
        jobs = [job for job in jobs if (root / job.name / "shift.json").exists()]
        if not jobs:
            print(f"no run below {root} has been evaluated; leave --report out.", file=sys.stderr)
            return 1
    for job in jobs:
        print(f"+ {job.name}", flush=True)
        job.train(root / job.name, epochs)
    from experiments.shift.evaluation import evaluate_run

    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for job in jobs:
        num_samples = (2 if options.fast else _NUM_SAMPLES) if job.arm.random else 1
        sizes = {"num_images": 200, "every": 6} if options.fast else {}
        evaluated = evaluate_run(root / job.name, num_samples, **sizes)
        results.setdefault((job.data, job.arm.name), []).append(evaluated)
        print(f"+ {job.name}: evaluated at {time.monotonic() - begin:.0f} s", flush=True)
    from experiments.shift.report import write_report

    write_report(options.output, results, root, jobs, epochs)
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=_seeds, default=(0,), help="such as 0,1,2")
    parser.add_argument("--root", type=Path, default=ROOT / "runs" / "shift")
    parser.add_argument("--data_dir", help="folder of the data sets; BNN_DATA_DIR where absent")
    parser.add_argument("--epochs", type=float, help=f"of every run; {_EPOCHS} by default")
    parser.add_argument(
        "--output", type=Path, default=_HERE, help="folder of README and figures to write"
    )
    parser.add_argument(
        "--report", action="store_true", help="train and evaluate nothing, write what there is"
    )
    parser.add_argument("--fast", action="store_true", help="tiny sizes; needs --output and --root")
    options = parser.parse_args(argv)
    if options.fast and (options.output == _HERE or options.root == ROOT / "runs" / "shift"):
        parser.error("--fast needs --output and --root: its numbers must not replace the study's.")
    return options


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(
            f"must be different integers with commas, got {text!r}; such as 0,1,2"
        )
    return seeds


if __name__ == "__main__":
    sys.exit(main())
