"""The unit of work, one set with one candidate, and its file: what ended is not repeated."""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from pathlib import Path
from typing import Any

from bnn.runs.provenance import git_revision, versions
from bnn.training import write_json
from experiments.uci.candidates import Candidate, Settings


@dataclasses.dataclass(frozen=True)
class Unit:
    """One set with one candidate, all splits.

    Attributes:
      name: folder of the set.
      candidate: what to train.
      settings: how.
      workdir: folder of the units' files.
      data_dir: folder of data sets, or None for BNN_DATA_DIR.
    """

    name: str
    candidate: Candidate
    settings: Settings
    workdir: Path
    data_dir: str | None

    @property
    def file(self) -> Path:
        """Where its results are."""
        return self.workdir / self.name / f"{self.candidate.name}.json"

    def results(self) -> dict[str, Any] | None:
        """The results of a unit that has ended, or None.

        Raises:
          ValueError: the file was made with other settings, or is not as `read` requires.
        """
        if not self.file.exists():
            return None
        found = read(self.file)
        asked = dataclasses.asdict(self.settings)
        different = {k: (found["settings"].get(k), v) for k, v in asked.items()}
        different = {k: pair for k, pair in different.items() if pair[0] != pair[1]}
        if different:
            changes = ", ".join(
                f"{k} {old!r} there, {new!r} asked" for k, (old, new) in different.items()
            )
            raise ValueError(
                f"{self.file} was made with other settings ({changes}); name another --workdir, or "
                "delete that file to make it again."
            )
        return found


def read(file: Path) -> dict[str, Any]:
    """The results of a unit that has ended.

    Raises:
      ValueError: an earlier version made the file.
    """
    found: dict[str, Any] = json.loads(file.read_text())
    if any("points" not in row for row in found["rows"]):
        raise ValueError(
            f"{file} must hold the predictions of single rows, which stacking needs; an earlier "
            "version made it without. Name another --workdir, or delete that file to make it again."
        )
    return found


def run_unit(unit: Unit) -> str:
    """Trains and evaluates a unit, writes its file and says so in one line."""
    from experiments.uci.splits import members
    from experiments.uci.training import run_candidate

    start, used = time.perf_counter(), time.process_time()
    rows = run_candidate(
        members(unit.name, unit.data_dir, unit.settings), unit.candidate, unit.settings
    )
    seconds = time.perf_counter() - start
    results = {
        "set": unit.name,
        "candidate": dataclasses.asdict(unit.candidate),
        "settings": dataclasses.asdict(unit.settings),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
        "git_revision": git_revision(),
        "versions": versions(),
        "rows": rows,
    }
    write_json(unit.file, results)
    mean = {
        part: sum(r["log_likelihood"] for r in rows if r["part"] == part) * 2 / len(rows)
        for part in ("valid", "test")
    }
    return (
        f"{unit.name}, {unit.candidate.title}: log-likelihood {mean['valid']:.3f} valid, "
        f"{mean['test']:.3f} test, {seconds:.0f} s"
    )
