"""What the study keeps of its runs, beside its tables: a JSON file a part."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.records import built_with, made, write_json
from experiments.runs import Job, train_all

Record = Callable[[Job, Path], dict[str, Any]]


def train(jobs: Mapping[str, Job], root: Path, workers: int) -> dict[str, Any] | None:
    """Trains what has not ended; the seconds of all, or None where some had ended before."""
    ended = [job for job in jobs.values() if job.results(root) is not None]
    begin = time.monotonic()
    train_all(jobs.values(), root, workers)
    return None if ended else {"wall_seconds": time.monotonic() - begin, "workers": workers}


def keep(
    path: Path, jobs: Mapping[str, Job], root: Path, record: Record, timed: dict[str, Any] | None
) -> dict[str, Any]:
    """`rows` by name: those of the file, and in their place those of runs that have ended.

    Args:
      path: of the file, written where a run below `root` has ended.
      jobs: the runs, by name.
      root: folder of the runs.
      record: what is kept of a run.
      timed: what `train` gave; kept as `timed`. Rows of other runs than the file's have none.
    """
    held = json.loads(path.read_text()) if path.exists() else {"rows": {}, "timed": None}
    found = {name: record(job, root) for name, job in jobs.items() if job.results(root)}
    known = {name: row for name, row in held["rows"].items() if name in jobs}
    rows = {name: {**known, **found}[name] for name in jobs if name in known or name in found}
    if rows == held["rows"]:
        timed = timed or held["timed"]
    held = {"rows": rows, "timed": timed}
    if found:
        write_json(path, held)
    return held


def about(job: Job, root: Path) -> dict[str, Any]:
    """What made a run, and its cost."""
    results = job.results(root) or {}
    made_by = ("passes_over_the_data", "seed", "date", "git_revision", "versions")
    return {
        "cpu_seconds": job.cost(root)["cpu_seconds"],
        **{name: results[name] for name in made_by},
    }


def provenance(part: str, held: Mapping[str, Any]) -> str:
    """The command, dates, revisions, versions and cost, as a paragraph."""
    rows, timed = list(held["rows"].values()), held["timed"]
    seeds = ", ".join(map(str, sorted({row["seed"] for row in rows})))
    spent = sum(row["cpu_seconds"] for row in rows) / 60
    whole = (
        f", {timed['wall_seconds'] / 60:.1f} min from the first run's start to the last one's end, "
        f"{timed['workers']} at a time"
        if timed
        else ""
    )
    return (
        f"\n`python -m experiments.methods.run --parts={part}`, {made(rows)}, seed {seeds}, "
        f"{built_with(rows[-1])}; {len(rows)} runs, {spent:.1f} min of processor time{whole}.\n"
    )
