"""A run's folder: one run each, never overwritten silently, other people's files left alone."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import fcntl
import json
import logging
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn.runs.identity import changes_of_data
from bnn.training import write_json, write_text

_LOCK = ".lock"
# Half-written files that the program can show to be its own, by the folder they are in.
_OWN = {
    "": re.compile(
        r"\.(config\.gin|arguments\.json|data\.json|results\.json|ledger\.md|calibration\.npz)"
        r"\.\d+\.tmp"
        r"|(metrics\.jsonl|wandb\.json)\.tmp"
    ),
    "figures": re.compile(r"(learning_curve|gradient_noise|reliability|predictive_band)\.png\.tmp"),
    "predictions": re.compile(r"\.test\.npz\.\d+\.tmp"),
}


class FolderInUseError(ValueError):
    """The folder holds something else than this run, or another process writes to it."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a run is.

    Attributes:
      config: operative gin configuration.
      arguments: descriptions of what was given in Python, by name; see `bnn.runs.identity`.
      data: fingerprint of the data set.
    """

    config: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class RunFolder:
    """The files of one run.

    Args:
      path: created where it does not exist.
      interchangeable: prefixes of the lines of a configuration that may differ between the parts
        of one run.
    """

    def __init__(self, path: str | Path, interchangeable: Sequence[str] = ()) -> None:
        self._interchangeable = tuple(interchangeable)
        self.path = _expanded(path)
        self.config = self.path / "config.gin"
        self.arguments = self.path / "arguments.json"
        self.data = self.path / "data.json"
        self.results = self.path / "results.json"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.metrics = self.path / "metrics.jsonl"
        self._lock: int | None = None
        self._own = {path.name for path in (self.checkpoints, self.figures, self.metrics)}

    def open(self, identity: Identity, own: Collection[str] = ()) -> None:
        """Claims the folder for the run.

        A folder that is empty or holds an earlier part of the same run is accepted. A refused one
        is left as it was.

        Args:
          identity: of the run.
          own: names in the folder that are known to be the run's, without its configuration.

        Raises:
          FolderInUseError: the folder holds another run or foreign files, or is locked by another
            process.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise FolderInUseError(f"workdir {self.path} is a file; name a folder.")
            if not self.config.exists():
                self._require_no_foreign_files(own)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderInUseError(
                f"workdir {str(self.path)[:200]} cannot be made a folder ({error.strerror}); name "
                "another one with --workdir."
            ) from error
        self._acquire_lock()
        if not self.config.exists():
            self._require_no_foreign_files(own)
            write_text(self.config, identity.config)
            self._record(identity)
            return
        if not self.metrics.exists() and not self.checkpoints.exists():
            held = self.same_run(self.config.read_text()) == self.same_run(identity.config)
            if held and not self.data.exists():  # killed between the two
                self._record(identity)
        self._require_same(identity)
        self._sweep()

    def close(self) -> None:
        """Releases the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def keep(self, identity: Identity) -> None:
        """Claims the folder again where it was deleted while the run trained.

        A deletion beside a save leaves what was just written: what was there under this run's lock
        is its own, anything else is not.
        """
        if self.config.exists():
            self._own.update(path.name for path in self.path.iterdir())
            return
        logging.getLogger("absl").warning(
            "workdir %s was deleted while the run trained: what it had is lost, what comes from "
            "now on is written.",
            self.path,
        )
        self.close()
        self.open(identity, self._own)
        self.metrics.touch()  # so that a resumed run goes on without its history

    def finished(self) -> dict | None:
        """The results of a run that has ended, or None."""
        return read_json(self.results) if self.results.exists() else None

    def has_checkpoint(self) -> bool:
        """Whether there is one."""
        return any(self.checkpoints.glob("ckpt-*.index"))

    def same_run(self, config: str) -> str:
        """The lines of a configuration that all parts of the run have in common."""
        lines = (line for line in config.splitlines() if line and not line.startswith("#"))
        kept, dropped = [], False
        for line in lines:
            # A long value goes on below its name, indented.
            dropped = line.startswith(self._interchangeable) or (dropped and line.startswith(" "))
            if not dropped:
                kept.append(line)
        return "\n".join(kept)

    def identity(self) -> Identity:
        """What the folder says of its run.

        Raises:
          ValueError: a file that cannot be read; names it.
        """
        parts = {
            name: read_json(file) if file.exists() else {}
            for name, file in (("arguments", self.arguments), ("data", self.data))
        }
        return Identity(read_config(self.config), **parts)

    def _record(self, identity: Identity) -> None:
        if identity.arguments:
            write_json(self.arguments, identity.arguments)
        write_json(self.data, identity.data)

    def _require_no_foreign_files(self, own: Collection[str]) -> None:
        if not self.path.exists():
            return
        foreign = sorted(p.name for p in self.path.iterdir() if p.name != _LOCK)
        foreign = [name for name in foreign if name not in own and not _OWN[""].fullmatch(name)]
        if foreign:
            self.close()
            raise FolderInUseError(
                f"workdir {self.path} is not empty and holds no run of this program (it has "
                f"{', '.join(foreign[:5])}); name a new folder with --workdir."
            )

    def _sweep(self) -> None:
        """Removes half-written files that a killed process left; the lock is held."""
        for folder, pattern in _OWN.items():
            with contextlib.suppress(FileNotFoundError):
                for entry in list(os.scandir(self.path / folder)):
                    if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        os.unlink(entry.path)

    def _acquire_lock(self) -> None:
        path = self.path / _LOCK
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            lock = os.open(path, flags, 0o666)
        except OSError as error:
            raise FolderInUseError(
                f"workdir {self.path} cannot be locked: {path} is not a file of its own that can "
                f"be written ({error.strerror}); name another folder with --workdir."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise FolderInUseError(
                f"workdir {self.path} is in use by another process; wait for it or name another "
                "folder with --workdir."
            ) from None
        self._lock = lock

    def _require_same(self, identity: Identity) -> None:
        held = self.identity()
        before = self.same_run(held.config).splitlines() + _lines(held.arguments)
        now = self.same_run(identity.config).splitlines() + _lines(identity.arguments)
        if before != now:
            difference = "\n".join(
                difflib.unified_diff(before, now, "in the folder", "asked for", "", "", 0, "")
            )
            raise FolderInUseError(
                f"workdir {self.path} holds another run; name a new folder with --workdir, or "
                f"delete that one. The difference:\n{difference}"
            )
        changed = changes_of_data(held.data, identity.data)
        if changed:
            raise FolderInUseError(
                f"workdir {self.path} holds a run on other data: since it began, "
                f"{', '.join(changed)} of data set {identity.data.get('name')!r} changed; restore "
                "the data's files, or name a new folder with --workdir."
            )


def _expanded(path: str | Path) -> Path:
    try:
        expanded = Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"workdir {path} must begin with a known home, got a user that has none; write ~/, or "
            "the whole path."
        ) from error
    if "\0" in str(expanded):
        raise ValueError(f"workdir must have no zero byte, got {str(path)!r}; choose another name.")
    try:
        str(expanded).encode()
    except UnicodeEncodeError as error:  # TensorFlow takes no path whose bytes are not UTF-8
        raise ValueError(
            f"workdir must be text in UTF-8, got {str(path)!r}; choose another name."
        ) from error
    if set(str(expanded.absolute())) & set("[]\\"):  # TensorFlow looks for checkpoints by it
        raise ValueError(
            f"workdir must have no brackets and no backslash in its path, which TensorFlow takes "
            f"for a pattern, got {str(path)!r}; choose another name."
        )
    return expanded


def _lines(arguments: Mapping[str, Any]) -> list[str]:
    """Descriptions as lines that can be compared, `name: value`."""
    lines = []
    for name, described in sorted(arguments.items()):
        text = json.dumps(described, indent=1, sort_keys=True)
        lines += [f"{name}: {text}"] if "\n" not in text else [f"{name}:", *text.splitlines()]
    return lines


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """Descriptions as one text, empty where there are none."""
    return "\n".join(_lines(arguments))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of the run.

    Raises:
      ValueError: the file is damaged; names it and the remedy.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as damage:
        values, reason = None, str(damage)
    else:
        reason = f"it holds {type(values).__name__}, not an object"
    if not isinstance(values, dict):
        raise ValueError(
            f"{path} is damaged ({reason}); restore it, or delete it and start the run's command "
            "again, which writes it anew from the checkpoint."
        )
    return values


def read_config(path: Path) -> str:
    """The text of a run's `config.gin`.

    Raises:
      ValueError: no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as damage:
        raise ValueError(
            f"{path} is damaged ({damage}); restore it, or start the run in a new folder."
        ) from damage
