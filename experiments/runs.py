"""Runs of `python -m bnn.run`, each trained once for all the studies that read it.

A run has a gin file and bindings, and a folder of its own below a root that studies share.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.records import built_with, made, write_json
from experiments.study import ONE_THREAD, ROOT, run_all

# Where the runs of image classifiers are unless --root says otherwise.
IMAGES = ROOT / "runs" / "images"


@dataclasses.dataclass(frozen=True)
class Job:
    """One run."""

    name: str  # the folder's name
    file: str  # gin file below `gin_configs/`
    # gin bindings beside the file; the seed and the absence of a tracker are added
    bindings: tuple[str, ...]
    seed: int  # of the run

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

    def forget(self, root: Path) -> None:
        """Removes the run and what is known of it."""
        shutil.rmtree(root / self.name, ignore_errors=True)
        (root / f"{self.name}.job.json").unlink(missing_ok=True)

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


def estimator(name: str) -> tuple[str, ...]:
    """Bindings of an estimator."""
    return (f"VariationalInference.estimator = @{name}()",)


def fixed_weights(network: str) -> tuple[str, ...]:
    """Bindings of the MAP estimate of a gin-configured network."""
    points = (f"{network}.{site}_posterior = @Point()" for site in ("kernel", "bias"))
    return (*estimator("Mean"), *points)


def train_all(jobs: Iterable[Job], root: Path, workers: int) -> None:
    """Trains what has not ended, in this order, `workers` at a time, and says what ended.

    Raises:
      ValueError: a folder holds another run.
      RuntimeError: a run failed; those that had begun are waited for, the others not begun.
    """
    begin = time.monotonic()
    run_all(
        lambda job: job.train(root, 1 if workers > 1 else None),
        jobs,
        workers,
        lambda job, new: f"+ {job.name}: {time.monotonic() - begin:.0f} s" if new else None,
    )


def provenance(jobs: Sequence[Job], root: Path) -> str:
    """Dates, revisions, versions, seeds and cost of runs that have ended, as half a sentence."""
    runs = [run for run in (job.results(root) for job in jobs) if run is not None]
    spent = [job.cost(root)["cpu_seconds"] for job in jobs]
    timed = [seconds for seconds in spent if seconds]
    seeds = sorted({run["seed"] for run in runs})
    return (
        f"{made(runs)}, seeds {', '.join(map(str, seeds))}, {built_with(runs[-1])}; {len(runs)} "
        f"runs, {sum(timed) / 60:.0f} min of processor time"
        + (f" ({len(timed)} runs were timed)" if len(timed) < len(runs) else "")
    )
