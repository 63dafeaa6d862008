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

from experiments.tracking.server import Server, closed_port

ROOT = Path(__file__).resolve().parents[2]
_KEY = "f" * 40  # of the form that wandb takes for a key


@dataclasses.dataclass(frozen=True)
class Arm:
    """A way in which the network can be.

    Attributes:
      name: folder of its runs.
      title: what the table says.
      tracker: gin value of `run.tracker`.
      answer: of the server from the start; None where there is no server and no key.
      later: its answer from the middle of the training on; None where it does not change.
    """

    name: str
    title: str
    tracker: str = "[@WandB()]"
    answer: str | None = None
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
    """What one run of the command took.

    Attributes:
      wall: seconds from its start to its end.
      cpu: seconds of processor time of it and of the processes that it started.
      held: seconds that it waited in its trackers, by call.
      stderr: what it said there.
    """

    wall: float
    cpu: float
    held: dict[str, float]
    stderr: str


def run_arm(arm: Arm, folder: Path, epochs: float, report_every: float) -> Cost:
    """Runs the digits job once, in `folder`, as a command of its own.

    Raises:
      RuntimeError: the command failed, which no arm may cause.
    """
    server = Server() if arm.answer not in (None, "closed") else None
    environ = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    folder.parent.mkdir(parents=True, exist_ok=True)
    times = folder.with_name(f"{folder.name}.times.json")  # a run's folder is empty at its start
    environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TRACKING_TIMES": str(times)}
    if arm.answer is not None:
        url = f"http://127.0.0.1:{closed_port()}" if server is None else server.url
        environ |= {"WANDB_API_KEY": _KEY, "WANDB_BASE_URL": url}
    if server is not None:
        server.answer = str(arm.answer)
        if arm.later is not None:
            half = _half(folder, epochs, report_every)
            threading.Thread(target=_change, args=(server, arm.later, half), daemon=True).start()
    bindings = {
        "run.tracker": arm.tracker,
        "run.epochs": epochs,
        "run.report_every": report_every,
    }
    command = [
        *(
            sys.executable,
            "-m",
            "experiments.tracking.timed_run",
            "--gin_file=gin_configs/digits.gin",
        ),
        *(f"--gin_bindings={name} = {value}" for name, value in bindings.items()),
        f"--workdir={folder}",
    ]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    finally:
        if server is not None:
            server.close()
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{arm.title}: the run failed\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    held = json.loads(times.read_text())
    times.unlink()
    return Cost(wall, cpu, held, done.stderr)


def _half(folder: Path, epochs: float, report_every: float) -> tuple[Path, int]:
    return folder / "metrics.jsonl", max(int(epochs / report_every) // 2, 1)


def _change(server: Server, answer: str, half: tuple[Path, int]) -> None:
    """Changes the server's answer when the metrics have so many lines."""
    path, lines = half
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        time.sleep(0.05)
    server.answer = answer
