"""The points of a sweep: one run each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from launch.files import write_text

# The file of a sweep's root that holds its points.
POINTS = "sweep.json"


@dataclasses.dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
      name: of the run's folder: what was chosen, readable, the same in every call.
      choices: what was chosen, without the seed; points that differ by their seeds alone share it.
      seed: of the run, or None where the sweep names none.
      arguments: of `bnn.run`.
    """

    name: str
    choices: dict[str, str]
    seed: int | None
    arguments: list[str]


def write_points(path: Path, points: Sequence[Point]) -> None:
    """Writes points for the elements of a job array to find."""
    write_text(path, json.dumps([dataclasses.asdict(point) for point in points], indent=1) + "\n")


def read_points(path: str | Path) -> list[Point]:
    """Reads what `write_points` wrote.

    Raises:
      FileNotFoundError: no such file.
      ValueError: it is damaged.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return [Point(**values) for values in content]
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, OSError, RecursionError) as damage:
        fault = " ".join(str(damage).split()) or type(damage).__name__
        raise ValueError(
            f"{path} does not hold the runs of a sweep ({fault}); delete it and start the sweep's "
            "command again."
        ) from damage
