"""Checkpoints of a run: all state as plain variables, saved atomically."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf


class Checkpoints:
    """Keeps the newest checkpoints of named lists of variables, and the step they belong to.

    Args:
      folder: created when the first checkpoint is saved.
      variables: name of the part, such as `"model"`, to its variables in a fixed order.
      keep: number of checkpoints kept.
    """

    def __init__(
        self, folder: Path, variables: Mapping[str, Sequence[keras.Variable]], keep: int = 2
    ) -> None:
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        parts = {name: [_value(v) for v in part] for name, part in variables.items() if part}
        self._checkpoint = tf.train.Checkpoint(step=self._step, **parts)
        self._folder = folder
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), max_to_keep=keep)

    def save(self, step: int) -> Path:
        """Saves the state after `step` steps and returns the checkpoint's path prefix."""
        self._step.assign(step)
        return Path(self._manager.save(checkpoint_number=step))

    def restore(self) -> int | None:
        """Restores the newest checkpoint and returns its step; None where there is none."""
        for stale in self._folder.glob("*_temp"):  # left by a process killed during a save
            shutil.rmtree(stale, ignore_errors=True)
        if self._manager.latest_checkpoint is None:
            return None
        self._checkpoint.restore(self._manager.latest_checkpoint).assert_consumed()
        return int(self._step.numpy())


def _value(variable: keras.Variable | tf.Variable) -> tf.Variable:
    return variable.value if isinstance(variable, keras.Variable) else variable
