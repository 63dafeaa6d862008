"""Submits a run to Slurm.

Example:
  python -m launch.slurm --nodes=2 --gpus-per-node=4 --time=4:00:00 --
    --gin_file=gin_configs/digits.gin --workdir=runs/two
    --gin_bindings="run.strategy = @MultiWorker()"

Prints the job's number. The run is sent a signal before the time limit, saves its state, exits
with 42, and the job puts itself into the queue again. With --array=0-9, {array} in the arguments
becomes the number of the element. --dry_run prints the script instead of submitting it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launch.command import (
    RUN_MODULE,
    Parser,
    add_group_options,
    add_module_option,
    at_least,
    check_arguments,
    values_of,
)
from launch.slurm_job import SlurmJob, plain_name
from launch.slurm_task import ARRAY_PLACEHOLDER

_USAGE = "python -m launch.slurm --time=LIMIT [options] -- <arguments of bnn.run>"


class SubmissionError(RuntimeError):
    """sbatch is missing, or refused the job."""


def submit(script: str) -> str:
    """Hands a script to sbatch; the job's number.

    Raises:
      SubmissionError: sbatch is missing, or refused the job.
    """
    try:
        done = subprocess.run(
            ["sbatch", "--parsable"], input=script, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise SubmissionError(
            "sbatch is not on the PATH: submit from a login node of a Slurm cluster, or print the "
            "script with --dry_run."
        ) from None
    if done.returncode != 0:
        raise SubmissionError(f"sbatch refused the job: {done.stderr.strip()}")
    return done.stdout.strip().partition(";")[0]


def add_slurm_options(parser: argparse.ArgumentParser | Any, time_required: bool) -> None:
    """Adds the options that describe a job, but for its array."""
    add = parser.add_argument
    add("--time", required=time_required, help="time limit, such as 4:00:00 or 2-00")
    add("--nodes", type=at_least(1), default=1, help="number of nodes (default: 1)")
    add("--tasks_per_node", type=at_least(1), default=1, help="workers per node (default: 1)")
    add("--gpus_per_node", type=at_least(0), default=0, help="GPUs per node (default: CPU only)")
    add("--cpus_per_task", type=at_least(1), help="cores per worker")
    add("--signal", default="USR1@90", help="signal and seconds before the limit (%(default)s)")
    add("--job_name", help="default: the name of the workdir or sweep")
    add("--output", help="file of the output (default: slurm-%%j.out)")
    add("--partition", help="partition of the cluster")
    add("--account", help="account to charge")
    add("--mem", help="memory per node, such as 16G")
    add("--sbatch", action="append", default=[], help="another option of sbatch; repeatable")
    add("--setup", action="append", default=[], help="shell line before the workers; repeatable")
    add("--python", default=sys.executable, help="interpreter on the nodes (default: this one)")
    add(
        "--port",
        type=at_least(1024, most=65535),
        help="port of rank 0 (default: by the job's number)",
    )
    add(
        "--max_requeues",
        type=at_least(0),
        default=100,
        help="how often a stopped job goes into the queue again (default: 100)",
    )


def job_from(options: argparse.Namespace, name: str, **changes: Any) -> SlurmJob:
    """The job that the options describe.

    Raises:
      ValueError: as `SlurmJob`, or without a time limit.
    """
    if options.time is None:
        raise ValueError("a Slurm job needs a limit: add for example --time=4:00:00.")
    named = ("partition", "account", "mem")
    extra = [f"--{key}={value}" for key in named if (value := getattr(options, key)) is not None]
    taken = {
        key: getattr(options, key)
        for key in (
            *("time", "nodes", "tasks_per_node", "gpus_per_node", "cpus_per_task", "signal"),
            *("output", "setup", "python", "port", "max_requeues", "grace", "start_timeout"),
            "module",
        )
    }
    extra += options.sbatch
    return SlurmJob(**{"name": options.job_name or name, "extra": extra, **taken, **changes})


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the process's exit code."""
    parser = Parser(__doc__, _USAGE)
    add_slurm_options(parser, time_required=True)
    parser.add_argument("--array", help="elements of a job array, such as 0-9%%2")
    parser.add_argument("--dry_run", action="store_true", help="print the script, submit nothing")
    add_group_options(parser)
    add_module_option(parser)
    options, arguments = parser.parse_command(sys.argv[1:] if argv is None else argv)
    try:
        check_arguments(options.module, arguments)
        _check_array(options, arguments)
        workdirs = values_of(arguments, "workdir")
        name = Path(workdirs[-1].replace(ARRAY_PLACEHOLDER, "")).name if workdirs else ""
        job = job_from(options, plain_name(name or options.module), array=options.array)
        script = job.script(arguments)
        if options.dry_run:
            print(script, end="")
            return 0
        Path(job.log).parent.mkdir(parents=True, exist_ok=True)  # Slurm would not, nor complain
        print(submit(script))
    except (ValueError, OSError, SubmissionError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, SubmissionError) else 2
    print(f"output: {job.log}", file=sys.stderr)
    return 0


def _check_array(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    placed = [argument for argument in arguments if ARRAY_PLACEHOLDER in argument]
    if options.array is None and placed:
        raise ValueError(
            f"argument {placed[0]!r} has {ARRAY_PLACEHOLDER}, which only --array replaces."
        )
    workdirs = values_of(arguments, "workdir")
    shared = not any(ARRAY_PLACEHOLDER in workdir for workdir in workdirs)
    if options.array is not None and options.module == RUN_MODULE and shared:
        raise ValueError(
            f"all elements of the array would share --workdir={workdirs[-1]}; give each its own, "
            f"as in --workdir=runs/{ARRAY_PLACEHOLDER}."
        )


if __name__ == "__main__":
    sys.exit(main())
