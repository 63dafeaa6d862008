"""A sweep as one Slurm job array."""

from __future__ import annotations

import argparse
import hashlib
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from launch.points import Point, write_points
from launch.records import FAILED, WAITING, Records
from launch.slurm import SubmissionError, job_from, submit
from launch.slurm_job import literal, plain_name
from launch.wandb_group import group_variables


def script_of(
    options: argparse.Namespace, records: Records, points: Sequence[Point]
) -> tuple[str, Path, str]:
    """The script of an array that runs the points, the file that they must be in, and the log.

    Nothing is written.

    Raises:
      ValueError: as `launch.slurm.job_from`.
    """
    # Elements read their arguments when they start: a file that is never changed, whatever happens
    # to the sweep's own until then.
    digest = hashlib.sha256(repr(points).encode()).hexdigest()[:12]
    file = records.root / "submitted" / f"{digest}.json"
    limit = f"%{options.max_running}" if options.max_running else ""
    logs = literal(str(records.root.resolve() / "logs"))
    output = options.output or f"{logs}/slurm-%A_%a.out"
    exports = [f"export {k}={shlex.quote(v)}" for k, v in group_variables(records.root).items()]
    job = job_from(
        options,
        plain_name(records.root.name),
        array=f"0-{len(points) - 1}{limit}",
        points=str(file),
        output=output,
        setup=[*exports, *options.setup],
    )
    return job.script([]), file, output


def submit_points(options: argparse.Namespace, records: Records, points: Sequence[Point]) -> str:
    """Submits points as the elements of one array, and records where they are; the job's number.

    Raises:
      SubmissionError: sbatch is missing, or refused the job.
      ValueError: as `launch.slurm.job_from`.
    """
    script, file, output = script_of(options, records, points)
    write_points(file, points)
    Path(output.replace("%%", "%")).parent.mkdir(parents=True, exist_ok=True)
    number = submit(script)
    for element, point in enumerate(points):
        log = output.replace("%A", number).replace("%a", str(element)).replace("%%", "%")
        records.write(point, job=f"{number}_{element}", log=log)
    return number


def queued(records: Records, points: Sequence[Point]) -> set[str]:
    """The names of the points that wait or run in Slurm's queue.

    One that has left the queue without having finished is recorded as failed: Slurm puts those
    that were stopped into the queue again.

    Raises:
      SubmissionError: squeue is missing, or fails.
    """
    jobs = {
        point.name: job
        for point in points
        if records.state(point) in (WAITING, FAILED) and (job := records.read(point).get("job"))
    }
    if not jobs:
        return set()
    alive = _queue()
    busy = {name for name, job in jobs.items() if job in alive}
    for point in points:
        if point.name in jobs and point.name not in busy:
            records.write(point, **_facts(records, point), exit_code=1)
    return busy


def _facts(records: Records, point: Point) -> dict[str, str]:
    record = records.read(point)
    return {key: record[key] for key in ("job", "log") if key in record}


def _queue() -> set[str]:
    """The elements of this user's job arrays in the queue, as `job_element`."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%F_%K"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SubmissionError(
            "squeue is not on the PATH: --backend=slurm needs a login node of a Slurm cluster."
        ) from None
    if done.returncode != 0:
        raise SubmissionError(f"squeue failed: {done.stderr.strip()}")
    return set(done.stdout.split())
