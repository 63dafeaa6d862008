"""The ways in which the network can be, and one run in each."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

from experiments.study import ROOT

# Answers as it is told; the tests of `bnn.tracking` have it.
_SERVER = "tests/tracking/wandb_server.py"
_KEY = "f" * 40  # of the form that wandb takes for a key


@dataclasses.dataclass(frozen=True)
class Arm:
    """A way in which the network can be."""

    name: str  # folder of its runs
    title: str  # what the table says
    tracker: str = "[@WandB()]"  # gin value of `run.tracker`
    # of the server from the start; None where there is no server and no key
    answer: str | None = None
    # its answer from the middle of the training on; None where it does not change
    later: str | None = None


ARMS = (
    Arm("none", "no tracker", tracker="None"),
    Arm("offline", "W&B without a key: offline"),
    Arm("both", "W&B offline and TensorBoard", tracker="[@WandB(), @TensorBoard()]"),
    Arm("closed", "W&B, nothing listens on the port", answer="closed"),
    Arm("errors", "W&B, the server answers 500", answer="500"),
    Arm("hangs", "W&B, the server never answers", answer="hang"),
    Arm("lost", "W&B, the server answers 500 from the middle on", answer="ok", later="500"),
    Arm("mute", "W&B, the server stops answering in the middle", answer="ok", later="hang"),
    Arm("works", "W&B, the server works", answer="ok"),
)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one run of the command took."""

    wall: float  # seconds from its start to its end
    cpu: float  # seconds of processor time of it and of the processes that it started
    held: dict[str, float]  # seconds that it waited in its trackers, by call
    stderr: str  # what it said there


def run_arm(arm: Arm, folder: Path, epochs: float, report_every: float) -> Cost:
    """Runs the digits job once, in `folder`, as a command of its own.

    Raises:
      RuntimeError: the command failed, which no arm may cause.
    """
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    folder.parent.mkdir(parents=True, exist_ok=True)
    times = folder.with_name(f"{folder.name}.times.json")  # a run's folder is empty at its start
    environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TRACKING_TIMES": str(times)}
    server = None
    if arm.answer is not None:
        server = subprocess.Popen(
            [sys.executable, _SERVER, arm.answer],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        environ |= {"WANDB_API_KEY": _KEY, "WANDB_BASE_URL": server.stdout.readline().strip()}
        if arm.later is not None:
            half = folder / "metrics.jsonl", max(int(epochs / report_every) // 2, 1)
            threading.Thread(target=_change, args=(server, arm.later, *half), daemon=True).start()
    bindings = {
        "run.tracker": arm.tracker,
        "run.epochs": epochs,
        "run.report_every": report_every,
    }
    command = [
        *(sys.executable, "-m", "experiments.tracking.timed_run"),
        "--gin_file=gin_configs/digits.gin",
        *(f"--gin_bindings={name} = {value}" for name, value in bindings.items()),
        f"--workdir={folder}",
    ]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        # Before the server has ended: its processor time is not the run's.
        wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        if server is not None:
            server.communicate()  # the end of its input is its own
    if done.returncode:
        raise RuntimeError(f"{arm.title}: the run failed\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    held = json.loads(times.read_text())
    times.unlink()
    return Cost(wall, cpu, held, done.stderr)


def _change(server: subprocess.Popen, answer: str, path: Path, lines: int) -> None:
    """Changes the server's answer when the metrics have so many lines."""
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        time.sleep(0.05)
    server.stdin.write(f"{answer}\n")
    server.stdin.flush()
