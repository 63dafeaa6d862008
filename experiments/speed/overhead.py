"""What a whole run costs beyond its training steps.

`python -m bnn.run` is stopped by a signal after every few of its reports, and a bare loop of the
same step, in a process that waits beside it, takes its turn: an interval of the run and the bare
steps that follow are a pair. A turn is seconds long, so that waking up is little of it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments.speed.session import ROOT, Worker


@dataclasses.dataclass(frozen=True)
class Interval:
    """A few reports of a run and the bare loop after them."""

    case: str  # of the bare loop
    # number of the interval; the first report, whose own holds start and compilation, is in
    # none
    round: int
    steps: int  # training steps of the interval
    run_seconds: float  # of the run, one step
    bare_seconds: float  # of the bare loop, one step


def measure_run(
    case: str, rounds: int, gin_file: str, variant: str, bare_steps: int, reports: int
) -> tuple[list[Interval], dict[str, float]]:
    """Intervals of a run, of `reports` epochs each, with a report after every epoch.

    Returns:
      The intervals, and seconds of the run's parts: until the first report (start, compilation
      and the first epoch) and from the last report to the end (evaluation, figures, files).
    """
    with tempfile.TemporaryDirectory() as folder, Worker(case=case, peer="bnn") as bare:
        bare.ready()
        bare.run(variant, bare_steps)
        path = Path(folder) / "run" / "metrics.jsonl"
        command = [sys.executable, "-m", "bnn.run", f"--gin_file={ROOT / 'gin_configs' / gin_file}"]
        command += [
            f"--workdir={path.parent}",
            f"--gin_bindings=run.epochs = {1 + rounds * reports}",
        ]
        command += ["--gin_bindings=run.report_every = 1"]
        log = Path(folder) / "log"
        intervals: list[Interval] = []
        steps_before, parts = 0, {}
        with log.open("w") as output:
            begin = time.perf_counter()
            run = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
            try:
                for number in range(rounds + 1):
                    step = _wait(path, number * reports, run, log)
                    os.kill(run.pid, signal.SIGSTOP)
                    seconds = time.perf_counter() - begin
                    if number == 0:
                        parts["until the first report"] = seconds
                    else:
                        steps = step - steps_before
                        done = bare.run(variant, bare_steps) / bare_steps
                        intervals.append(Interval(case, number - 1, steps, seconds / steps, done))
                    steps_before = step
                    begin = time.perf_counter()
                    os.kill(run.pid, signal.SIGCONT)
                if run.wait() != 0:
                    raise RuntimeError(f"the run failed:\n{log.read_text()[-2000:]}")
                parts["after the last report"] = time.perf_counter() - begin
            finally:
                run.kill()
                run.wait()
    return intervals, parts


def _wait(path: Path, number: int, run: subprocess.Popen, log: Path) -> int:
    """The step of report `number`, as soon as it is there."""
    while run.poll() is None:
        if path.exists():
            lines = path.read_text().split("\n")[:-1]  # the last one may be half written
            if len(lines) > number:
                return json.loads(lines[number])["step"]
        time.sleep(0.005)
    raise RuntimeError(f"the run ended before report {number}:\n{log.read_text()[-2000:]}")
