"""The files of a run's folder from which its trained model can be loaded elsewhere."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from bnn.runs.calibration_file import NAME as CALIBRATION
from bnn.runs.folder import RunFolder


def model_files(folder: RunFolder) -> dict[str, Path]:
    """The newest checkpoint, what the run is, and the results: path within the folder to file.

    Copied to another folder under the same paths they are a run's folder of their own.

    Raises:
      FileNotFoundError: the folder has no checkpoint.
    """
    newest = tf.train.latest_checkpoint(str(folder.checkpoints))
    if newest is None:
        raise FileNotFoundError(
            f"workdir {folder.path} must hold a checkpoint in {folder.checkpoints.name}/, but has "
            "none; the run was stopped before its first one."
        )
    parts = [
        folder.checkpoints / "checkpoint",  # which one is the newest
        *sorted(folder.checkpoints.glob(f"{Path(newest).name}.*")),
        *sorted(folder.checkpoints.glob(f"finished/{Path(newest).name}.*")),
        folder.config,
        folder.arguments,
        folder.data,
        folder.results,
        folder.path / CALIBRATION,
    ]
    return {str(part.relative_to(folder.path)): part for part in parts if part.exists()}
