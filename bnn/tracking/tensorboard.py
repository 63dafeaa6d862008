"""TensorBoard event files, through the optional extra."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gin

from bnn.tracking.tracker import RunInfo, Tracker
from bnn.tracking.values import flatten, scalars

FOLDER = "tensorboard"
_PATIENCE = 60.0  # seconds


@gin.register(module="bnn.tracking")
class TensorBoard(Tracker):
    """Writes scalars, figures, configuration and results below `<workdir>/tensorboard`.

    A resumed run adds an event file; steps that it repeats are in both.

    Raises:
        ImportError: If the tensorboard package is not installed.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise ImportError(
                "TensorBoard needs the package tensorboard, which is not installed; "
                "install the extra: pip install 'bnn[tensorboard]'."
            )
        self._tf: Any = None
        self._writer: Any = None

    @property
    def patience(self) -> float:
        """Writing takes milliseconds, on a slow disk more: it is done beside the training."""
        return _PATIENCE

    def start(self, run: RunInfo) -> None:
        """Opens the event file and writes the configuration."""
        import tensorflow as tf  # here, so that only this tracker needs TensorFlow

        self._tf = tf
        self._writer = tf.summary.create_file_writer(str(run.workdir / FOLDER))
        with self._writer.as_default(step=run.resumed_step or 0):
            tf.summary.text("config", f"```\n{run.config}\n```")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one scalar summary for each value."""
        with self._writer.as_default(step=int(step)):
            for name, value in scalars(values).items():
                self._tf.summary.scalar(name, value)

    def figure(self, name: str, path: Path, step: int) -> None:
        """Writes the PNG at `path` as an image summary."""
        image = self._tf.io.decode_png(self._tf.io.read_file(str(path)))
        with self._writer.as_default(step=int(step)):
            self._tf.summary.image(name, image[None])

    def finish(self, results: Mapping[str, Any], failed: bool = False) -> None:
        """Writes the results as text and closes the file."""
        if self._writer is None:
            return
        text = json.dumps({"failed": failed, **flatten(results)}, indent=2)
        with self._writer.as_default(step=0):
            self._tf.summary.text("results", f"```\n{text}\n```")
        self._writer.close()
        self._writer = None
