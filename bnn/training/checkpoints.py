"""Checkpoints of a run: all state as plain variables, saved atomically."""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.training.archive import Archive
from bnn.training.checkpoint_contents import read, require_same_about, require_same_shapes
from bnn.training.files import write_arrays, write_text

_BEST = "best"
_FINISHED = "finished"
_ARCHIVE = "archive"
_NAME = re.compile(r"ckpt-(\d+)\.index")
# What a save that was cut off leaves, and nobody else has under these names.
_HALF_FOLDER = re.compile(r"ckpt-\d+_temp")
_HALF_FILE = re.compile(r"\.checkpoint\.\d+\.tmp")
_PART = re.compile(r"(ckpt-\d+)\.(?:index|data-\d{5}-of-\d{5})(\.tempstate\d+)?")


class DamagedCheckpointError(RuntimeError):
    """No checkpoint of the folder can be read."""


class Checkpoints:
    """Keeps the newest and the best checkpoints of named lists of variables, with their step.

    TensorFlow writes a checkpoint into a temporary folder and moves its files, the index last: one
    with an index is whole. The best one is in a folder `best` of its own; what it is chosen by is
    part of the state. It waits in memory until the next save: a run that is killed repeats what
    came after its newest checkpoint, and finds the same best one again. What a method does after
    training is saved in a folder `finished`, so that the state before it stays as it was.

    Args:
      folder: created when the first checkpoint is saved.
      variables: name of the part, such as `"model"`, to its variables in a fixed order.
      keep: number of newest checkpoints kept, at least 1.
      about: what the run is; a checkpoint that says something else is refused.
      archive: entries that are written with the next checkpoint, once each.
      before_save: called before files are written.

    Attributes:
      finished: whether the state is the one after the method's `finish`.
    """

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, Sequence[keras.Variable]],
        keep: int = 3,
        about: Mapping[str, Any] | None = None,
        archive: Archive | None = None,
        before_save: Callable[[], None] | None = None,
    ) -> None:
        if not isinstance(keep, int) or keep < 1:
            raise ValueError(
                f"keep_checkpoints must be an integer of at least 1, got {keep!r}; the newest is "
                "needed to continue, one before it in case that one is damaged."
            )
        self.keep = keep
        self.finished = False
        self._folder = folder
        self._about = {str(name): str(value) for name, value in (about or {}).items()}
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        # The lowest score so far and its step.
        self._best = tf.Variable([math.inf, -1.0], dtype=tf.float64, trainable=False)
        self._waiting: tuple[int, list[tf.Tensor]] | None = None
        self._text = tf.Variable(json.dumps(self._about), trainable=False)
        parts = {name: [_value(v) for v in part] for name, part in variables.items() if part}
        self._state = [v for part in parts.values() for v in part] + [self._best]
        self._before_save = before_save
        self._archive = archive
        self._written = 0
        if archive is not None:
            # How many of the entries are this state's past.
            self._entries = tf.Variable(0, dtype=tf.int64, trainable=False)
            parts[_ARCHIVE] = [self._entries]
        self._checkpoint = tf.train.Checkpoint(
            step=self._step, best=self._best, about=self._text, **parts
        )
        self._expected = {
            f"{name}/{i}": (str(getattr(v, "path", v.name)), tuple(v.shape))
            for name, part in variables.items()
            for i, v in enumerate(part)
        }
        if archive is not None:
            self._expected[f"{_ARCHIVE}/0"] = ("number of entries", ())

    @property
    def own_variables(self) -> list[tf.Variable]:
        """The state of the checkpoints themselves."""
        return [self._best]

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and score of the best checkpoint; None before the first score."""
        score, step = self._best.numpy()
        return None if step < 0 else (int(step), float(score))

    def save(self, step: int) -> Path:
        """Saves the state after `step` steps and returns the checkpoint's path prefix."""
        if self._before_save is not None:
            self._before_save()
        if self._archive is not None:
            for number in range(self._written, len(self._archive.entries)):
                values = {str(i): v for i, v in enumerate(self._archive.entries[number])}
                write_arrays(self._entry(number), values)
            self._written = len(self._archive.entries)
            self._entries.assign(self._written)
        self._save_best()  # first: the state says which step is the best one
        return self._save(self._folder, step, self.keep)

    def save_finished(self, step: int) -> None:
        """Saves the state after `finish`, which `restore` prefers."""
        self._save(self._folder / _FINISHED, step, 1)
        self.finished = True

    def offer(self, step: int, score: float) -> None:
        """Has the next `save` keep this state as the best one if its score is the lowest so far."""
        if score < float(self._best.numpy()[0]):
            self._best.assign([score, float(step)])
            with tf.device("CPU:0"):  # the devices' memory is for training
                self._waiting = step, [tf.identity(v) for v in self._state]

    def _save_best(self) -> None:
        if self._waiting is None:
            return
        step, values = self._waiting
        now = [tf.identity(v) for v in self._state]
        try:
            _assign(self._state, values)
            self._save(self._folder / _BEST, step, 1)
        finally:
            _assign(self._state, now)
        self._waiting = None

    def restore(self, at_most: int | None = None) -> int | None:
        """Restores the newest readable checkpoint and returns its step; None where there is none.

        That of the finished state, where there is one.

        Args:
          at_most: only checkpoints of this or an earlier step, the best one included.

        Raises:
          CheckpointMismatchError: the checkpoint is of another model or configuration.
          DamagedCheckpointError: there are checkpoints, and none can be read.
        """
        found = _steps(self._folder)
        if at_most is not None:
            found = {**_steps(self._folder / _BEST), **found}
            found = {step: path for step, path in found.items() if step <= at_most}
        finished = _steps(self._folder / _FINISHED) if at_most is None else {}
        for path in [*finished.values(), *(found[step] for step in sorted(found, reverse=True))]:
            try:
                contents = read(path)
            except tf.errors.OpError as error:
                logging.getLogger("absl").warning(
                    "checkpoint %s is damaged (%s) and left out; an earlier one is used.",
                    path,
                    str(error).partition("\n")[0][:200],
                )
                continue
            require_same_about(path, contents, self._about)
            require_same_shapes(path, contents, self._expected)
            entries = self._read_entries(contents)
            self._checkpoint.read(str(path)).assert_consumed()
            self._text.assign(json.dumps(self._about))
            if self._archive is not None:
                self._archive.entries[:] = entries
                self._written = len(entries)
            self.finished = path in finished.values()
            return int(self._step.numpy())
        if found:
            raise DamagedCheckpointError(
                f"none of the checkpoints {', '.join(p.name for p in found.values())} in "
                f"{self._folder} can be read; restore the files, or delete the folder to train "
                "from the start."
            )
        return None

    def _entry(self, number: int) -> Path:
        return self._folder / _ARCHIVE / f"{number:06d}.npz"

    def _read_entries(self, contents: Mapping[str, Any]) -> list[list[np.ndarray]]:
        """The archive as it was at a checkpoint."""
        found = []
        for number in range(int(contents.get(f"{_ARCHIVE}/0", 0)) if self._archive else 0):
            try:
                with np.load(self._entry(number), allow_pickle=False) as file:
                    found.append([file[str(i)] for i in range(len(file.files))])
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
                raise DamagedCheckpointError(
                    f"entry {self._entry(number)} of the archive cannot be read ({error}); restore "
                    "the file, or delete the run's folder to train from the start."
                ) from error
        return found

    def sweep(self) -> None:
        """Removes what processes killed during a save left behind; not while another saves."""
        for folder in (self._folder, self._folder / _BEST, self._folder / _FINISHED):
            whole = {path.name for path in _steps(folder).values()}
            for entry in list(folder.glob("*")) + list(folder.glob(".checkpoint.*")):
                if entry.is_symlink():
                    continue
                if _HALF_FOLDER.fullmatch(entry.name) and entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                elif _HALF_FILE.fullmatch(entry.name) and entry.is_file():
                    entry.unlink()
                part = _PART.fullmatch(entry.name)
                if part and entry.is_file() and (part[1] not in whole or part[2]):
                    entry.unlink()

    def _save(self, folder: Path, step: int, keep: int) -> Path:
        self._step.assign(step)
        folder.mkdir(parents=True, exist_ok=True)
        prefix = folder / f"ckpt-{step}"
        self._checkpoint.write(str(prefix))
        steps = sorted(_steps(folder))
        kept = [s for s in steps if s <= step][-keep:]  # later ones were left out as damaged
        # TensorFlow's own list of a folder's checkpoints, the newest first.
        paths = [f'all_model_checkpoint_paths: "ckpt-{s}"' for s in kept]
        newest = f'model_checkpoint_path: "{prefix.name}"'
        write_text(folder / "checkpoint", "\n".join([newest, *paths]) + "\n")
        for old in sorted(set(steps) - set(kept)):
            (folder / f"ckpt-{old}.index").unlink()  # first: without it there is no checkpoint
            for file in folder.glob(f"ckpt-{old}.*"):
                file.unlink()
        return prefix


def newest_checkpoint(folder: Path) -> Path | None:
    """The path prefix of the newest checkpoint in a folder, which may have any name.

    `tf.train.latest_checkpoint` takes brackets in the folder's name for a pattern.
    """
    found = _steps(folder)
    return found[max(found)] if found else None


def _steps(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder: step to path prefix."""
    matches = (_NAME.fullmatch(p.name) for p in folder.glob("ckpt-*.index"))
    return {int(m[1]): folder / f"ckpt-{m[1]}" for m in matches if m}


def _assign(variables: Sequence[tf.Variable], values: Sequence[tf.Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _value(variable: keras.Variable | tf.Variable) -> tf.Variable:
    return variable.value if isinstance(variable, keras.Variable) else variable
