"""The unit of work, one set with one candidate, and its file: what ended is not repeated."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from experiments.records import held_record, stamp, write_json
from experiments.uci.candidates import Candidate, Settings
from experiments.uci.splits import members
from experiments.uci.training import run_candidate


@dataclasses.dataclass(frozen=True)
class Unit:
    """One set with one candidate, all splits."""

    name: str  # folder of the set
    candidate: Candidate  # what to train
    settings: Settings  # how
    workdir: Path  # folder of the units' files
    data_dir: str | None  # folder of data sets, or None for BNN_DATA_DIR

    @property
    def file(self) -> Path:
        """Where its results are."""
        return self.workdir / self.name / f"{self.candidate.name}.json"

    def results(self) -> dict[str, Any] | None:
        """The results of a unit that has ended, or None.

        Raises:
          ValueError: the file was made with other settings, or is not as `read` requires.
        """
        held = held_record(self.file, dataclasses.asdict(self.settings))
        return held and read(self.file)


def read(file: Path) -> dict[str, Any]:
    """The results of a unit that has ended.

    Raises:
      ValueError: an earlier version made the file.
    """
    found: dict[str, Any] = json.loads(file.read_text())
    if any("points" not in row for row in found["rows"]):
        raise ValueError(
            f"{file} must hold the predictions of single rows, which stacking needs; an earlier "
            "version made it without. Name another --root, or delete that file to make it again."
        )
    return found


def run_unit(unit: Unit) -> str:
    """Trains and evaluates a unit, writes its file and says so in one line."""
    start, used = time.perf_counter(), time.process_time()
    rows = run_candidate(
        members(unit.name, unit.data_dir, unit.settings), unit.candidate, unit.settings
    )
    seconds = time.perf_counter() - start
    record = {
        "asked": dataclasses.asdict(unit.settings),
        "set": unit.name,
        "candidate": dataclasses.asdict(unit.candidate),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        **stamp(),
        "rows": rows,
    }
    write_json(unit.file, record)
    mean = {
        part: sum(r["log_likelihood"] for r in rows if r["part"] == part) * 2 / len(rows)
        for part in ("valid", "test")
    }
    return (
        f"{unit.name}, {unit.candidate.title}: log-likelihood {mean['valid']:.3f} valid, "
        f"{mean['test']:.3f} test, {seconds:.0f} s"
    )
