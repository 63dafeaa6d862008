"""A Slurm job and the script that sbatch gets."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from launch.command import RUN_MODULE
from launch.files import check_text

# What a job's name may not have.
_ODD = re.compile(r"[\s'\"\\]+|[^ -~]+")
# Slurm looks at time limits once a minute, so that the signal may come that much earlier.
_SIGNAL_SLACK = 60
_UNLIMITED = ("0", "INFINITE", "UNLIMITED")
_ARRAY = re.compile(r"\d+(-\d+(:\d+)?)?(,\d+(-\d+(:\d+)?)?)*(%\d+)?")


@dataclasses.dataclass(frozen=True)
class SlurmJob:
    """What is asked of Slurm.

    Attributes:
      name: of the job.
      time: limit in one of Slurm's forms, such as "4:00:00" or "2-00".
      nodes: number of nodes.
      tasks_per_node: workers on each node.
      gpus_per_node: GPUs of each node, divided among its workers; 0 for a CPU-only job.
      cpus_per_task: cores of each worker; the cluster's default where None.
      signal: `USR1@seconds` or `TERM@seconds`: which signal makes the run save its state, and how
        long before the time limit it is sent.
      array: elements of a job array, such as "0-9%2".
      output: file of the output; Slurm replaces %j, %A, %a, %x.
      chdir: folder to run in.
      extra: further options of sbatch, as they stand.
      setup: shell lines to run before the workers, such as "module load cuda".
      python: the interpreter on the nodes.
      module: what the workers run.
      points: `points.json` of a sweep, whose arguments an array's elements run.
      max_requeues: how often a stopped job puts itself into the queue again.
      grace: seconds to save and end in.
      start_timeout: seconds in which every worker must join; 0: forever.
      port: of rank 0; derived from the job's number where None.
    """

    name: str
    time: str
    nodes: int = 1
    tasks_per_node: int = 1
    gpus_per_node: int = 0
    cpus_per_task: int | None = None
    signal: str = "USR1@90"
    array: str | None = None
    output: str | None = None
    chdir: str = "."
    extra: Sequence[str] = ()
    setup: Sequence[str] = ()
    python: str = sys.executable
    module: str = RUN_MODULE
    points: str | None = None
    max_requeues: int = 100
    grace: float = 60.0
    start_timeout: float = 300.0
    port: int | None = None

    def __post_init__(self) -> None:
        """Checks what Slurm would refuse, or accept and do something else.

        Raises:
          ValueError: for a malformed or contradictory argument.
        """
        _check_name(self.name)
        for what in ("output", "chdir", "python", "module", "points"):
            if (value := getattr(self, what)) is not None:
                check_text(what, value)
        lead = _signal_lead(self.signal)
        limit = time_seconds(self.time)
        if limit is not None and limit <= lead + _SIGNAL_SLACK:
            raise ValueError(
                f"time {self.time!r} must be longer than {lead + _SIGNAL_SLACK} s: signal "
                f"{self.signal!r} comes up to {_SIGNAL_SLACK} s early, and the run would be "
                "stopped as it starts; give more time or a shorter lead."
            )
        if self.grace >= lead:
            raise ValueError(
                f"grace {self.grace:g} s must be shorter than the lead of signal {self.signal!r}, "
                "or Slurm ends the job before it can be put into the queue again."
            )
        if self.gpus_per_node % self.tasks_per_node:
            raise ValueError(
                f"gpus_per_node {self.gpus_per_node} must be divisible by tasks_per_node "
                f"{self.tasks_per_node}, so that every worker has as many."
            )
        if self.array is not None and _ARRAY.fullmatch(self.array) is None:
            raise ValueError(
                f"array {self.array!r} must be like '0-9', '0,3,7' or '0-99%4' (4 at a time)."
            )
        for option in self.extra:
            if not option.startswith("-") or not option.isprintable():
                raise ValueError(
                    f"sbatch option {option!r} must be one option, such as '--qos=high'."
                )

    @property
    def log(self) -> str:
        """The file of the output, in Slurm's notation."""
        return self.output or ("slurm-%A_%a.out" if self.array else "slurm-%j.out")

    def script(self, arguments: Sequence[str]) -> str:
        """The script for sbatch that runs the workers with these arguments."""
        lines = [*self._head(), "", *self._setup(), *self._step(arguments)]
        return "\n".join(lines) + _TAIL.replace("MAX_REQUEUES", str(self.max_requeues))

    def _head(self) -> list[str]:
        options = {
            "job-name": self.name,
            "nodes": self.nodes,
            "ntasks-per-node": self.tasks_per_node,
            "gpus-per-node": self.gpus_per_node or None,
            "cpus-per-task": self.cpus_per_task,
            "time": self.time,
            "array": self.array,
            "signal": self.signal,
            "output": self.log,
            "chdir": str(Path(self.chdir).resolve()),
            "open-mode": "append",
        }
        lines = [f"--{k}={shlex.quote(str(v))}" for k, v in options.items() if v is not None]
        return ["#!/bin/bash", *(f"#SBATCH {line}" for line in [*lines, "--requeue", *self.extra])]

    def _setup(self) -> list[str]:
        return [
            "# bash has to outlive the signal that its tasks get: it puts the job into the queue.",
            "trap : TERM USR1",
            *self.setup,
            'echo "job $SLURM_JOB_ID, start $((${SLURM_RESTART_COUNT:-0} + 1)), '
            'on $SLURM_JOB_NODELIST"',
        ]

    def _step(self, arguments: Sequence[str]) -> list[str]:
        srun = ["srun", "--distribution=block", "--kill-on-bad-exit=1"]
        if self.cpus_per_task is not None:  # srun does not take it over from sbatch
            srun.append(f"--cpus-per-task={self.cpus_per_task}")
        task = [
            *(self.python, "-m", "launch.slurm_task"),
            f"--gpus_per_task={self.gpus_per_node // self.tasks_per_node}",
            f"--grace={self.grace:g}",
            f"--start_timeout={self.start_timeout:g}",
            f"--module={self.module}",
            *([f"--port={self.port}"] if self.port is not None else []),
            *([f"--points={Path(self.points).resolve()}"] if self.points is not None else []),
        ]
        lines = [shlex.join(srun), shlex.join([*task, "--"]), *map(shlex.quote, arguments)]
        return [" \\\n  ".join(lines), "code=$?"]


# scontrol also revives jobs that were cancelled, which nobody wants: hence the look at the state.
_TAIL = """

# 42: stopped by a signal, the state is saved. A job that was cancelled stays so.
if [ "$code" -eq 42 ]; then
  if [ "${SLURM_RESTART_COUNT:-0}" -ge MAX_REQUEUES ]; then
    echo "stopped, and put into the queue MAX_REQUEUES times already: not again"
  elif scontrol show job --oneliner "$SLURM_JOB_ID" | grep -q ' JobState=RUNNING '; then
    echo "stopped; put into the queue again"
    scontrol requeue "$SLURM_JOB_ID"
  fi
fi
exit "$code"
"""


def plain_name(text: str) -> str:
    """A job's name from that of a folder, which may have spaces and more."""
    return _ODD.sub("_", text).strip("_") or "job"


def literal(path: str) -> str:
    """A path in Slurm's notation for files of output, in which % begins what it replaces."""
    return path.replace("%", "%%")


def time_seconds(text: str) -> int | None:
    """The seconds of a Slurm time limit; None for no limit.

    Forms: minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes,
    days-hours:minutes:seconds.

    Raises:
      ValueError: another form.
    """
    if text in _UNLIMITED:
        return None
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    units = {1: (3600,), 2: (3600, 60), 3: (3600, 60, 1)} if dash else {1: (60,), 2: (60, 1)}
    units.setdefault(3, (3600, 60, 1))
    if not all(re.fullmatch(r"\d+", part) for part in [*parts, days or "0"]) or (
        len(parts) not in units or (dash and not days)
    ):
        raise ValueError(
            f"time {text!r} is not one of Slurm's forms: minutes, minutes:seconds, "
            "hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds; "
            "write for example 4:00:00."
        )
    scales = units[len(parts)]
    clock_seconds = sum(int(part) * scale for part, scale in zip(parts, scales, strict=True))
    return int(days or 0) * 86400 + clock_seconds


def _signal_lead(text: str) -> int:
    match = re.fullmatch(r"(?:SIG)?(USR1|TERM)@(\d+)", text)
    if match is None:
        raise ValueError(
            f"signal {text!r} must be USR1@seconds or TERM@seconds, the signals at which a run "
            "saves its state, such as 'USR1@90'."
        )
    return int(match[2])


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[^\s'\"\\]+", name) or not name.isprintable():
        raise ValueError(
            f"job name {name!r} must not be empty or have spaces, quotes or control characters; "
            "name another one with --job_name."
        )
