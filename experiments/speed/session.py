"""Rounds in which all peers take turns, so that whatever else the machine does meets all alike."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# How long one variant runs per round, and within what factor of a peer's best form another stays.
ROUND_SECONDS = 0.15
KEEP_WITHIN = 1.15
CALIBRATIONS = 3
OURS = "bnn"
ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One variant in one round."""

    case: str
    peer: str
    estimator: str
    form: str
    round: int
    seconds: float  # of one step
    processor_seconds: float = math.nan  # of one step, all threads of the process


class Worker:
    """A worker process; stopped by a signal whenever it is not its turn."""

    def __init__(self, peer: str, case: str, *options: str, root: Path = ROOT) -> None:
        self.peer, self.case = peer, case
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed in `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.speed.worker", peer, case, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        self.peak, self.processor_seconds = 0, 0.0

    def ready(self) -> dict[str, Any]:
        """What the worker can run, once it can."""
        self._process.send_signal(signal.SIGCONT)
        ready = self._read()
        self.suspend()
        return ready

    def suspend(self) -> None:
        """Stops the process until it is its turn."""
        self._process.send_signal(signal.SIGSTOP)

    def run(self, variant: str, steps: int) -> float:
        """Seconds of `steps` steps, measured inside of the worker."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{variant}\t{steps}\n")
        self._process.stdin.flush()
        reply = self._read()
        self.suspend()
        self.peak, self.processor_seconds = reply["peak"], reply["processor"]
        return reply["seconds"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            tail = "".join(self._errors.readlines()[-15:])
            raise RuntimeError(f"the worker of {self.peer}, {self.case}, ended:\n{tail}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        with self._process, self._errors:  # waits, and closes the pipes
            pass

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def measure(
    case: str,
    peers: Iterable[str],
    rounds: int,
    *,
    options: Sequence[str] = (),
    round_seconds: float = ROUND_SECONDS,
    revisions: Mapping[str, Path] | None = None,
) -> tuple[list[Sample], dict[str, str]]:
    """All variants of all peers in interleaved rounds.

    A peer's forms of one estimator are first compared; those far from its best are not run again.
    `revisions` are further trees of ours, by the name that their samples have as peer.

    Returns:
      The samples, and what failed: `peer, variant` to the reason.
    """
    workers: dict[str, Worker] = {}
    failed: dict[str, str] = {}
    steps: dict[tuple[str, str], int] = {}
    try:
        workers |= {peer: Worker(peer, case, *options) for peer in peers}
        for name, root in (revisions or {}).items():
            workers[name] = Worker(OURS, case, *options, root=root)
        ready: dict[str, dict[str, Any]] = {}
        for worker in workers.values():
            worker.suspend()
        # Two at a time: each builds and compiles on about one core.
        with ThreadPoolExecutor(2) as pool:
            for peer, found in zip(workers, pool.map(_ready, workers.values()), strict=True):
                if isinstance(found, dict):
                    ready[peer] = found
                else:
                    failed[peer] = found
        for peer, found in ready.items():
            failed |= {f"{peer}, {name}": why for name, why in found["failed"].items()}
            counts = _calibrate(workers[peer], found["variants"], round_seconds)
            steps |= {(peer, name): k for name, k in counts.items()}
            print(f"  {peer}: {', '.join(name for p, name in steps if p == peer)}", flush=True)
        samples = []
        for number in range(rounds):
            for (peer, name), k in _turns(steps, number):
                estimator, form = name.split("/")
                seconds = workers[peer].run(name, k) / k
                processor = workers[peer].processor_seconds / k
                samples.append(Sample(case, peer, estimator, form, number, seconds, processor))
        return samples, failed
    finally:
        for worker in workers.values():
            worker.close()


def _turns(steps: Mapping[tuple[str, str], int], number: int) -> list[tuple[tuple[str, str], int]]:
    """A round's turns: what is compared stands side by side, every other round backwards."""
    names = list(dict.fromkeys(name.split("/")[0] for _, name in steps))
    turns = sorted(steps.items(), key=lambda item: names.index(item[0][1].split("/")[0]))
    return turns[::-1] if number % 2 else turns


def _ready(worker: Worker) -> dict[str, Any] | str:
    try:
        return worker.ready()
    except RuntimeError as error:
        return str(error).splitlines()[-1]


def _calibrate(worker: Worker, names: Sequence[str], round_seconds: float) -> dict[str, int]:
    """Steps per round of the variants worth running, by variant."""
    counts: dict[str, int] = {}
    times: dict[str, float] = {}
    for name in names:
        k = 1
        while (seconds := worker.run(name, k)) < round_seconds / 3 and k < 2**20:
            k = max(2 * k, int(k * round_seconds / 2 / max(seconds, 1e-6)))
        counts[name], times[name] = k, seconds / k
    for _ in range(CALIBRATIONS if round_seconds else 0):
        for name, k in counts.items():
            times[name] = min(times[name], worker.run(name, k) / k)
    best: dict[str, float] = {}
    for name, seconds in times.items():
        estimator = name.split("/")[0]
        best[estimator] = min(seconds, best.get(estimator, seconds))
    return {
        name: max(1, round(round_seconds / seconds))
        for name, seconds in times.items()
        if seconds <= KEEP_WITHIN * best[name.split("/")[0]]
    }
