"""Runs tasks in parallel on the cores and GPUs of this machine."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from launch.children import Signals, kill, send, shell_code, spawn
from launch.cluster import gpu_share, visible_gpus
from launch.files import open_log

_TICK = 0.1


@dataclasses.dataclass(frozen=True)
class Task:
    """One process to run.

    Attributes:
      name: for messages.
      command: program and arguments.
      environment: variables beside those of the launcher.
      log: file to which the output is appended.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path


@dataclasses.dataclass(frozen=True)
class Slot:
    """What one task at a time may use: cores, and CUDA_VISIBLE_DEVICES, each None for no limit."""

    cores: tuple[int, ...] | None
    gpus: str | None


def make_slots(cores: int | None, cores_per_run: int, gpus_per_run: int | None) -> list[Slot]:
    """Divides the machine.

    Args:
      cores: the budget; all that this process may use where None.
      cores_per_run: of each task.
      gpus_per_run: of each task; where None, one each if there are GPUs.

    Raises:
      ValueError: the machine has fewer cores or GPUs.
    """
    available = sorted(_available_cores())
    budget = len(available) if cores is None else cores
    if budget > len(available):
        raise ValueError(f"--cores={budget}, but only {len(available)} may be used here.")
    if cores_per_run > budget:
        raise ValueError(f"--cores_per_run={cores_per_run} exceeds the budget of {budget} cores.")
    count = budget // cores_per_run
    gpus = visible_gpus() if gpus_per_run != 0 else []
    per_run = (1 if gpus else 0) if gpus_per_run is None else gpus_per_run
    if per_run:
        if per_run > len(gpus):
            raise ValueError(f"--gpus_per_run={per_run}, but {len(gpus)} GPUs can be seen here.")
        count = min(count, len(gpus) // per_run)
    return [
        Slot(
            cores=tuple(available[index * cores_per_run : (index + 1) * cores_per_run]),
            gpus=gpu_share(gpus, per_run, index) if per_run or gpus_per_run == 0 else None,
        )
        for index in range(count)
    ]


class Pool:
    """Starts tasks as slots become free, and ends all of them cleanly when asked to stop.

    Args:
      slots: where tasks can run.
      signals: where the launcher's own signals arrive; they are passed on to all tasks, and no
        further one is started.
      grace: seconds in which the tasks have to end then, before they are killed.
    """

    def __init__(self, slots: Sequence[Slot], signals: Signals, grace: float) -> None:
        self._free = list(reversed(slots))
        self._signals = signals
        self._grace = grace
        self._running: dict[str, tuple[Task, Slot, subprocess.Popen[bytes], float]] = {}
        self._deadline: float | None = None

    def run(
        self,
        tasks: Iterable[Task],
        started: Callable[[Task], None],
        ended: Callable[[Task, int, float], None],
        watch: Callable[[Sequence[str]], Iterable[str]] = lambda names: (),
    ) -> None:
        """Runs the tasks, in order.

        Args:
          tasks: what to run; the next one is asked for when a slot is free.
          started: called with each task before it starts.
          ended: called with each task that has ended, its exit code and its seconds.
          watch: called now and then with the names of the tasks that run; it says which of them
            are to be stopped, by SIGTERM.
        """
        waiting, more = iter(tasks), True
        try:
            while self._running or (more and self._signals.stop is None):
                while more and self._free and self._signals.stop is None:
                    task = next(waiting, None)
                    if task is None:
                        more = False
                        break
                    started(task)
                    self._start(task)
                time.sleep(_TICK)
                for name in watch(list(self._running)):
                    send(self._running[name][2], signal.SIGTERM)
                self._pass_signals_on()
                for name, (task, slot, process, since) in list(self._running.items()):
                    if process.poll() is not None:
                        del self._running[name]
                        self._free.append(slot)
                        ended(task, shell_code(process.returncode), time.monotonic() - since)
        finally:
            for _, _, process, _ in self._running.values():
                kill(process)
                process.wait()

    def _start(self, task: Task) -> None:
        slot = self._free.pop()
        environment = dict(task.environment)
        if slot.gpus is not None:
            environment["CUDA_VISIBLE_DEVICES"] = slot.gpus
        with open_log(task.log) as log:
            process = spawn(
                task.command, environment, stdout=log, stderr=subprocess.STDOUT, cores=slot.cores
            )
        self._running[task.name] = (task, slot, process, time.monotonic())

    def _pass_signals_on(self) -> None:
        processes = [process for _, _, process, _ in self._running.values()]
        for number in self._signals.take():
            for process in processes:
                send(process, number)
            if self._deadline is None:
                self._deadline = time.monotonic() + self._grace
        late = self._deadline is not None and time.monotonic() > self._deadline
        if late or self._signals.interrupts > 1:
            for process in processes:
                kill(process)


def stop_code(signals: Signals) -> int:
    """The exit code of a launcher that was asked to stop: 130 for Ctrl-C, else 42, start again."""
    return 130 if signals.stop == signal.SIGINT else 42


def _available_cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
