"""The run's own record: one JSON object a line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import gin

from bnn.tracking.tracker import RunInfo, Tracker
from bnn.tracking.values import scalars

FILENAME = "metrics.jsonl"
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@gin.register(module="bnn.tracking")
class Jsonl(Tracker):
    """Writes `<workdir>/metrics.jsonl`, one strict JSON object a line: "step", then the values.

    Keys keep the order they are given in, numbers are written so that they read back to the same
    bits, and values that JSON has no number for are the strings "NaN", "Infinity" and "-Infinity".
    Every line is flushed to the operating system when it is logged (a killed process loses
    nothing) and the file is synced to the disk at the end.

    A run resumed from step k continues the file after dropping, atomically, every line with a
    step above k and a last line that was cut off: what follows is written again. This is the
    record that must not be lost, so its failures stop the run.
    """

    essential: ClassVar[bool] = True

    def __init__(self) -> None:
        self._file: BinaryIO | None = None

    def start(self, run: RunInfo) -> None:
        """Opens the file.

        Raises:
            FileExistsError: If the file exists and the run is not resumed.
            FileNotFoundError: If the run is resumed after step 0 and the file is missing.
            ValueError: If a line other than the last is not a JSON object with a step.
        """
        path = run.workdir / FILENAME
        path.parent.mkdir(parents=True, exist_ok=True)
        if run.resumed_step is not None and (path.exists() or run.resumed_step > 0):
            _rewind(path, run.resumed_step)
        try:
            self._file = path.open("xb" if run.resumed_step is None else "ab")
        except FileExistsError:
            raise FileExistsError(
                f"workdir must not hold the metrics of another run, but {path} exists; "
                "resume that run or choose another workdir."
            ) from None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one line and flushes it.

        Raises:
            RuntimeError: If called before `start` or after `finish`.
            TypeError: If a value is not one real number.
        """
        if self._file is None:
            raise RuntimeError("Jsonl.log needs an open file; call start(run) first.")
        record = {"step": int(step), **scalars(values)}
        line = json.dumps({k: _encoded(v) for k, v in record.items()}, allow_nan=False)
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def figure(self, name: str, path: Path, step: int) -> None:
        """Records nothing: figures are files of the run already."""

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Syncs the file to the disk and closes it; results go to a file of their own."""
        if self._file is not None:
            file, self._file = self._file, None
            with file:
                file.flush()
                os.fsync(file.fileno())


def read_jsonl(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads the records of a metrics file, non-finite values as floats again.

    A last line that is cut off (the run was killed, or is still writing it) is left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line other than the last is not a JSON object with a step.
    """
    return [
        {key: _decoded(value) for key, value in record.items()}
        for _, record in _records(Path(path))
    ]


def _rewind(path: Path, step: int) -> None:
    """Drops the lines of `path` that come after `step`, and a cut-off last line, atomically."""
    if not path.exists():
        raise FileNotFoundError(
            f"workdir must hold the metrics of the run resumed from step {step}, but {path} is "
            "missing; restore it, or create it empty to go on without its history."
        )
    kept = [line for line, record in _records(path) if record["step"] <= step]
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as file:
        file.writelines(line + b"\n" for line in kept)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _records(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yields every line's bytes, without its end, and the object in it."""
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            whole = isinstance(record["step"], int)
        except (ValueError, TypeError, KeyError):  # not JSON, not an object, no step
            whole = False
        if whole:
            yield line, record
        elif number < len(lines):
            raise ValueError(
                f"{path}, line {number} must be a JSON object with an integer 'step', got "
                f"{line[:60]!r}; the file is damaged, restore it or start in another workdir."
            )


def _encoded(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decoded(value: Any) -> Any:
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value
