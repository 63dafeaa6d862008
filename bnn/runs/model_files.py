"""The files of a run's folder from which its trained model can be loaded elsewhere."""

from __future__ import annotations

from pathlib import Path

from bnn.runs.calibration_file import NAME as CALIBRATION
from bnn.runs.folder import RunFolder
from bnn.training.checkpoints import newest_checkpoint


def model_files(folder: RunFolder) -> dict[str, Path]:
    """The newest checkpoint, what the run is, and the results: path within the folder to file.

    Copied to another folder under the same paths they are a run's folder of their own.

    Raises:
      FileNotFoundError: the folder has no checkpoint.
    """
    newest = newest_checkpoint(folder.checkpoints)
    if newest is None:
        raise FileNotFoundError(
            f"workdir {folder.path} must hold a checkpoint in {folder.checkpoints.name}/, but has "
            "none; the run was stopped before its first one."
        )
    parts = [
        folder.checkpoints / "checkpoint",  # which one is the newest
        *sorted(folder.checkpoints.glob(f"{newest.name}.*")),
        *sorted(folder.checkpoints.glob(f"finished/{newest.name}.*")),
        folder.config,
        folder.arguments,
        folder.data,
        folder.results,
        folder.path / CALIBRATION,
    ]
    return {str(part.relative_to(folder.path)): part for part in parts if part.exists()}
