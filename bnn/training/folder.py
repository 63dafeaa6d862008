"""A run's folder: one run each, never overwritten silently, files written whole or not at all."""

from __future__ import annotations

import difflib
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class FolderInUseError(ValueError):
    """The folder holds something else than this run, or another process writes to it."""


class RunFolder:
    """The files of one run.

    Args:
      path: created where it does not exist.
      interchangeable: prefixes of the lines of a configuration that may differ between the parts
        of one run.
    """

    def __init__(self, path: str | Path, interchangeable: Sequence[str] = ()) -> None:
        self._interchangeable = tuple(interchangeable)
        self.path = Path(path)
        self.config = self.path / "config.gin"
        self.results = self.path / "results.json"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.metrics = self.path / "metrics.jsonl"
        self._lock: Any = None

    def open(self, config: str) -> None:
        """Claims the folder for the run with this configuration.

        A folder that is empty or holds an earlier part of the same run is accepted.

        Raises:
          FolderInUseError: the folder holds another run or foreign files, or is locked by another
            process.
        """
        if self.path.exists() and not self.path.is_dir():
            raise FolderInUseError(f"workdir {self.path} is a file; name a folder.")
        self.path.mkdir(parents=True, exist_ok=True)
        self._acquire_lock()
        if self.config.exists():
            self._require_same(config)
            self._sweep()
            return
        foreign = sorted(p.name for p in self.path.iterdir() if p.name != ".lock")
        if foreign:
            raise FolderInUseError(
                f"workdir {self.path} is not empty and holds no run of this program (it has "
                f"{', '.join(foreign[:5])}); name a new folder with --workdir."
            )
        write_text(self.config, config)

    def close(self) -> None:
        """Releases the lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def finished(self) -> dict | None:
        """The results of a run that has ended, or None."""
        return json.loads(self.results.read_text()) if self.results.exists() else None

    def same_run(self, config: str) -> str:
        """The lines of a configuration that all parts of the run have in common."""
        lines = (line for line in config.splitlines() if line and not line.startswith("#"))
        if self._interchangeable:
            lines = (line for line in lines if not line.startswith(self._interchangeable))
        return "\n".join(lines)

    def _sweep(self) -> None:
        """Removes half-written files that a killed process left; the lock is held."""
        for pattern in (".*.tmp", "*.tmp", "*/.*.tmp"):
            for stale in self.path.glob(pattern):
                if stale.is_file():
                    stale.unlink()

    def _acquire_lock(self) -> None:
        lock = (self.path / ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise FolderInUseError(
                f"workdir {self.path} is in use by another process; wait for it or name another "
                "folder with --workdir."
            ) from None
        self._lock = lock

    def _require_same(self, config: str) -> None:
        held, config = self.same_run(self.config.read_text()), self.same_run(config)
        if held == config:
            return
        difference = "\n".join(
            difflib.unified_diff(
                held.splitlines(), config.splitlines(), "in the folder", "asked for", "", "", 0, ""
            )
        )
        raise FolderInUseError(
            f"workdir {self.path} holds another run; name a new folder with --workdir, or delete "
            f"that one. The difference:\n{difference}"
        )


def write_text(path: Path, text: str) -> None:
    """Writes a file beside its place and renames it: readers see the old or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, values: Any) -> None:
    """Writes strict JSON atomically; ValueError for NaN or infinity."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")
