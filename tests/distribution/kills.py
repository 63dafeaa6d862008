"""Kills a run at random moments and starts it again, until it ends.

Example:
  python tests/distribution/kills.py --kills=20 --workdir=runs/kills

The moments are counted in the run's own lines, and in time after them, so that a quick machine does
not end the run before it was killed often enough; they fall into starting, restoring, training,
saving and reporting. The folder must end with the bits of a run that nothing stopped, times aside.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

ROOT = Path(__file__).resolve().parents[2]
# Of a whole run, seconds: on a busy machine a start alone takes minutes.
TIMEOUT = 1800
# 1,437 examples, 10 × 64 weights; a checkpoint after every call, of at most ten steps.
_BINDINGS = {
    "run.batch_size": "48",
    "run.epochs": "80",
    "run.report_every": "1",
    "run.tracker": "None",
    "run.num_predict_samples": "2",
    "run.jit_compile": "False",
    "run.steps_per_call": "10",
    "run.save_seconds": "0.0",
    "mlp.hidden": "()",
}
SMALL = [
    f"--gin_file={ROOT / 'gin_configs' / 'digits.gin'}",
    *(f"--gin_bindings={name} = {value}" for name, value in _BINDINGS.items()),
]


def mirrored(count: int) -> list[str]:
    """Flags for replicas on the CPU that share a draw."""
    return [
        "--gin_bindings=run.strategy = @Mirrored()",
        f"--gin_bindings=Mirrored.logical_cpus = {count}",
        "--gin_bindings=Mirrored.shared_noise = True",
    ]


def start(workdir: Path, options: Sequence[str] = (), module: str = "bnn.run") -> subprocess.Popen:
    """A process of the run."""
    return subprocess.Popen(
        [sys.executable, "-m", module, f"--workdir={workdir}", *SMALL, *options],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(workdir: Path, options: Sequence[str] = (), timeout: float = TIMEOUT) -> str:
    """Runs to the end; the output. RuntimeError where the process fails."""
    process = start(workdir, options)
    out, _ = process.communicate(timeout=timeout)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}:\n{out}")
    return out


def kill_often(
    workdir: Path, kills: int, seed: int, options: Sequence[str] = (), seconds: float = 600
) -> dict[str, int]:
    """Kills so many processes, then lets one run to the end; what the kills hit.

    Args:
      workdir: of the run.
      kills: number of processes to kill.
      seed: of the moments.
      options: further flags.
      seconds: after which the kills stop.
    """
    moments = random.Random(seed)
    hit = {"kills": 0, "before its first line": 0, "resumed": 0, "already finished": 0}
    deadline = time.monotonic() + seconds
    while hit["kills"] < kills and time.monotonic() < deadline:
        process = start(workdir, options)
        assert process.stdout is not None
        early = moments.random() < 0.15
        if early:
            time.sleep(moments.uniform(0.0, 4.0))
        else:
            _wait_for_lines(process.stdout, moments.randint(1, 3))
            time.sleep(moments.uniform(0.0, 0.15))
        hit["already finished"] += process.poll() is not None
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        if process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"exit code {process.returncode}:\n{out}")
        hit["kills"] += process.returncode == -signal.SIGKILL
        hit["before its first line"] += early
        if (workdir / "results.json").exists():
            break
    hit["resumed"] = int("resumed from step" in finish(workdir, options))
    return hit


def _wait_for_lines(output: Iterable[str], count: int) -> None:
    """Reads until so many reports were shown, an error was, or the process has ended."""
    for line in output:
        count -= line.startswith("step ")
        if count == 0 or line.startswith("error"):
            return


def lines(workdir: Path) -> list[str]:
    """The lines of `metrics.jsonl` without their seconds."""
    text = (workdir / "metrics.jsonl").read_text()
    return [re.sub(r'"seconds": [0-9.e+-]+, ', "", line) for line in text.splitlines()]


def state(workdir: Path) -> dict[str, bytes]:
    """All numbers of the newest checkpoint, to the bit."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(workdir / "checkpoints")))
    names = [n for n in reader.get_variable_to_shape_map() if n.endswith("VARIABLE_VALUE")]
    return {n: np.asarray(reader.get_tensor(n)).tobytes() for n in names if n[:6] != "about/"}


def largest_difference(left: Path, right: Path, name: str = "loss") -> float:
    """Between the values of one name in two runs' metrics."""
    first, second = (
        [json.loads(line)[name] for line in (path / "metrics.jsonl").read_text().splitlines()]
        for path in (left, right)
    )
    return float(np.max(np.abs(np.subtract(first, second))))


def main() -> None:
    """One undisturbed run and one that is killed, compared."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=TIMEOUT)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    options = mirrored(chosen.replicas) if chosen.replicas > 1 else []
    finish(chosen.workdir / "whole", options)
    hit: dict[str, Any] = {"replicas": chosen.replicas}
    hit |= kill_often(chosen.workdir / "killed", chosen.kills, chosen.seed, options, chosen.seconds)
    hit["same metrics"] = lines(chosen.workdir / "whole") == lines(chosen.workdir / "killed")
    hit["same state"] = state(chosen.workdir / "whole") == state(chosen.workdir / "killed")
    if chosen.output is not None:
        chosen.output.write_text(json.dumps(hit))
    print(hit)


if __name__ == "__main__":
    main()
