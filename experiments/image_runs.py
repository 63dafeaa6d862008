"""Runs of image classifiers, each trained once for all the studies that read it.

A run is `python -m bnn.run` with a gin file and bindings, in a folder of its own below a root that
the studies share. Several run at a time, on one thread each: networks of this size leave a second
core half idle.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bnn.training import write_json

ROOT = Path(__file__).resolve().parents[1]
# Where the studies' runs are unless --root says otherwise.
RUNS = ROOT / "runs" / "images"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


@dataclasses.dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
      name: the folder's name.
      file: gin file below `gin_configs/`.
      bindings: gin bindings beside the file; the seed and the absence of a tracker are added.
      seed: of the run.
    """

    name: str
    file: str
    bindings: tuple[str, ...]
    seed: int

    @property
    def arguments(self) -> list[str]:
        """Arguments of `python -m bnn.run`, without the folder."""
        bindings = (*self.bindings, "run.tracker = None", f"run.seed = {self.seed}")
        return [
            f"--gin_file=gin_configs/{self.file}",
            *(f"--gin_bindings={binding}" for binding in bindings),
        ]

    def results(self, root: Path) -> dict[str, Any] | None:
        """What `results.json` holds; None where the run has not ended."""
        path = root / self.name / "results.json"
        return json.loads(path.read_text()) if path.exists() else None

    def cost(self, root: Path) -> dict[str, Any]:
        """`wall_seconds` and `cpu_seconds` of the run's processes, start and evaluation included.

        Raises:
          ValueError: the folder's run was started with other arguments.
        """
        path = root / f"{self.name}.job.json"
        if not path.exists():
            return {"arguments": self.arguments, "wall_seconds": 0.0, "cpu_seconds": 0.0}
        held: dict[str, Any] = json.loads(path.read_text())
        if held["arguments"] != self.arguments:
            different = sorted(set(held["arguments"]) ^ set(self.arguments))
            raise ValueError(
                f"{root / self.name} must hold the run that is asked for, but was made with other "
                f"arguments ({', '.join(different)}); name another --root, or delete the folder "
                f"and {path.name}."
            )
        return held

    def train(self, root: Path, threads: int | None = None) -> bool:
        """Runs the job's command unless it has ended; whether there was anything to do.

        Args:
          root: folder of the runs.
          threads: 1 for a run beside others; TensorFlow's choice where None.

        Raises:
          ValueError: the folder's run was started with other arguments.
          RuntimeError: the run failed.
        """
        cost = self.cost(root)
        if self.results(root) is not None:
            return False
        root.mkdir(parents=True, exist_ok=True)
        path = root / f"{self.name}.job.json"
        write_json(path, cost)
        command = [sys.executable, "-m", "bnn.run", *self.arguments]
        begin = time.monotonic()
        with (root / f"{self.name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, f"--workdir={root / self.name}"],
                cwd=ROOT,
                env=os.environ | (ONE_THREAD if threads == 1 else {}),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        cost["wall_seconds"] += time.monotonic() - begin
        cost["cpu_seconds"] += usage.ru_utime + usage.ru_stime
        write_json(path, cost)
        if process.returncode:
            raise RuntimeError(
                f"{self.name} ended with code {process.returncode}; see {log.name}, mend the "
                "cause, and start the study again: it goes on where it was."
            )
        return True


def train_all(jobs: Iterable[Job], root: Path, workers: int) -> None:
    """Trains what has not ended, in this order, `workers` at a time, and says what ended.

    Raises:
      ValueError: a folder holds another run.
      RuntimeError: a run failed; those that had begun are waited for, the others not begun.
    """
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        threads = 1 if workers > 1 else None
        futures = {pool.submit(job.train, root, threads): job for job in jobs}
        try:
            for future in concurrent.futures.as_completed(futures):
                if future.result():
                    name = futures[future].name
                    print(f"+ {name}: trained at {time.monotonic() - begin:.0f} s", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def provenance(jobs: Sequence[Job], root: Path) -> str:
    """Dates, revisions, versions, seeds and cost of runs that have ended, as half a sentence."""
    runs = [run for run in (job.results(root) for job in jobs) if run is not None]
    spent = [job.cost(root)["cpu_seconds"] for job in jobs]
    timed = [seconds for seconds in spent if seconds]
    versions = runs[-1]["versions"]
    dates = sorted({run["date"][:10] for run in runs})
    revisions = sorted({run["git_revision"][:12] for run in runs})
    seeds = sorted({run["seed"] for run in runs})
    return (
        f"{', '.join(dates)}, revision {', '.join(revisions)}, seeds "
        f"{', '.join(map(str, seeds))}, Python {versions['python']}, TensorFlow "
        f"{versions['tensorflow']}, Keras {versions['keras']}; {len(runs)} runs, "
        f"{sum(timed) / 60:.0f} min of processor time"
        + (f" ({len(timed)} runs were timed)" if len(timed) < len(runs) else "")
    )


def fill(text: str, parts: dict[str, str], source: Path) -> str:
    """The text with every part between `<!-- name -->` and `<!-- end of name -->`.

    Raises:
      ValueError: `source`, where the text is from, lacks a marker.
    """
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{source} must hold {begin} and {end}; put them back.")
        text = f"{before}{begin}\n{content}{end}{after}"
    return text


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds of a command line, such as 0,1,2.

    Raises:
      argparse.ArgumentTypeError: no integers, or one twice.
    """
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(
            f"must be different integers with commas, got {text!r}; such as 0,1,2"
        )
    return seeds


def study_parser(description: str, folder: Path) -> argparse.ArgumentParser:
    """The options that all studies of these runs have; `folder` is where a study writes to."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--seeds", type=parse_seeds, default=(0, 1, 2), help="such as 0,1,2")
    parser.add_argument("--root", type=Path, default=RUNS, help="folder of the runs")
    parser.add_argument("--data_dir", help="folder of the data sets; BNN_DATA_DIR where absent")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="runs at a time; default one per core"
    )
    parser.add_argument(
        "--output", type=Path, default=folder, help="folder of README and figures to write"
    )
    parser.add_argument(
        "--report", action="store_true", help="train and evaluate nothing, write what there is"
    )
    parser.add_argument("--fast", action="store_true", help="tiny sizes; needs --output and --root")
    return parser


def parse_options(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The options of a command line; ends the process with a message where they do not fit."""
    options = parser.parse_args(argv)
    if options.fast and (options.output == parser.get_default("output") or options.root == RUNS):
        parser.error("--fast needs --output and --root: its numbers must not replace the study's.")
    if options.workers < 1:
        parser.error(f"--workers must be at least 1, got {options.workers}.")
    return options
