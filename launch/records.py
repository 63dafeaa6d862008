"""What a sweep knows of each of its runs: finished, failed, stopped, or not yet started."""

from __future__ import annotations

import dataclasses
import functools
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launch.children import START_AGAIN, ending
from launch.files import write_text
from launch.points import Point

FINISHED, FAILED, WAITING = "finished", "failed", "waiting"
# Codes after which the same command continues: stopped by a signal, by Ctrl-C, killed with it.
_STOPPED = (START_AGAIN, 130)


@dataclasses.dataclass(frozen=True)
class Records:
    """The files of a sweep, beside the folders of its runs.

    Attributes:
      root: folder of the sweep.
    """

    root: Path

    def log(self, point: Point) -> Path:
        """The file of the output of a run on this machine."""
        return self.root / "logs" / f"{point.name}.log"

    def results(self, point: Point) -> dict[str, Any] | None:
        """The results of a run that has finished, else None.

        Raises:
          ValueError: they cannot be read: a line with file, fault and remedy.
        """
        path = self.root / point.name / "results.json"
        if not path.exists():
            return None
        results = _read(path, f"delete {path.parent} to run it again")
        if not isinstance(results.get("test"), dict):
            raise ValueError(
                f"{path} must hold the metrics of a run under 'test', got none; delete "
                f"{path.parent} to run it again."
            )
        return results

    def read(self, point: Point) -> dict[str, Any]:
        """What was written about a run; empty where nothing was, or nothing that can be read."""
        path = self._path(point)
        if not path.exists():
            return {}
        again = "the run is taken for one that was never started; delete the file"
        try:
            record = _read(path, again)
            arguments = record.get("arguments", [])
            if not isinstance(arguments, list) or not all(isinstance(a, str) for a in arguments):
                raise ValueError(
                    f"{path}: arguments must be texts, got {arguments!r:.60}; {again}."
                )
            code = record.get("exit_code")
            if code is not None and type(code) is not int:
                raise ValueError(f"{path}: exit_code must be whole, got {code!r:.60}; {again}.")
        except ValueError as damage:
            _warn(str(damage))
            return {}
        return record

    def write(self, point: Point, **facts: Any) -> None:
        """Writes what is known of a run, with the arguments it was started with."""
        record = {"arguments": _without_workdir(point.arguments), **facts}
        write_text(self._path(point), json.dumps(record, indent=1) + "\n")

    def state(self, point: Point) -> str:
        """FINISHED, FAILED, or WAITING: new, stopped, or lost with the launcher."""
        if (self.root / point.name / "results.json").exists():
            return FINISHED
        code = self.read(point).get("exit_code")
        return WAITING if code is None or code in _STOPPED else FAILED

    def check(self, points: Sequence[Point]) -> None:
        """Refuses to mix runs of different files under the same names.

        Raises:
          ValueError: a run that was started has other arguments than now.
        """
        for point in points:
            before = self.read(point).get("arguments")
            now = _without_workdir(point.arguments)
            if before is None or before == now or not (self.root / point.name).exists():
                continue
            changed = [f"- {each}" for each in before if each not in now]
            changed += [f"+ {each}" for each in now if each not in before]
            raise ValueError(
                f"{self.root / point.name} was run with other arguments; name another folder with "
                "--root, or delete that one. The difference:\n"
                + ("\n".join(changed) or "their order")
            )

    def _path(self, point: Point) -> Path:
        return self.root / "records" / f"{point.name}.json"


def _read(path: Path, remedy: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as damage:
        fault = " ".join(str(damage).split()) or type(damage).__name__
        raise ValueError(f"{path} is not JSON ({fault}); {remedy}.") from damage
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold an object, got {content!r:.60}; {remedy}.")
    return content


@functools.cache
def _warn(line: str) -> None:
    """Says a line, once."""
    print(f"warning: {line}", file=sys.stderr)


def last_line(path: Path) -> str:
    """The last line of a log that says something; of a run that failed, usually the reason."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 8192))
        lines = file.read().decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.startswith("error: ")]
    return (errors or said or [""])[-1]


def failure(code: int, log: Path) -> str:
    """Why a process failed: how it ended, by a shell's exit code, and what its log ends with.

    What was killed had no time for an error, and the last line of its log is no reason.
    """
    said = last_line(log)
    if code <= 128:
        return f"{ending(code)}: {said}" if said else ending(code)
    end = ending(128 - code)
    if code == 128 + signal.SIGKILL:
        end += ", as for want of memory"
    return f"{end}; its log ends with: {said}" if said else end


def _without_workdir(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if not argument.startswith("--workdir=")]
