"""The calibration of a run: fitted to its validation part, in one file of its folder."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from bnn.data import Dataset
from bnn.predictive import Calibration
from bnn.training import write_arrays

NAME = "calibration.npz"
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, KeyError, TypeError)


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Writes it into a run's folder, whole or not at all, in the place of an earlier one."""
    write_arrays(folder / NAME, calibration.to_arrays())


def read_calibration(folder: Path, step: int) -> Calibration | None:
    """The calibration in a run's folder; None where there is none. Nothing in it is executed.

    Args:
      folder: of the run.
      step: of the model.

    Raises:
      ValueError: a damaged file, or one that was made for another step of the training.
    """
    path = folder / NAME
    if not path.exists():
        return None
    remedy = "delete it, and call calibrate again"
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            calibration = Calibration.from_arrays({name: file[name] for name in file.files})
    except _DAMAGE as damage:
        raise ValueError(f"{path} is no readable calibration ({damage}); {remedy}.") from damage
    made = calibration.made_with.get("step")
    if made != step:
        raise ValueError(
            f"{path} was made for step {made} of the training, and the model is at step {step}; "
            f"{remedy}."
        )
    return calibration


def validation_part(data: Dataset) -> tuple[Any, Any]:
    """Inputs, and targets in their own units, of the validation part.

    Raises:
      ValueError: there is none, or its examples have weights, or several targets.
    """
    if not data.num_valid:
        raise ValueError(
            f"data set {data.name!r} must have a validation part to calibrate with, but has none; "
            "load it with one, or pass inputs and targets that training has not seen."
        )
    if data.weights_valid is not None:
        raise ValueError(
            f"the validation examples of data set {data.name!r} have weights, which a calibration "
            "does not know; pass inputs and targets."
        )
    if data.task not in ("classification", "regression"):
        raise ValueError(
            f"a calibration is of one classification or regression, got {data.task!r} of data set "
            f"{data.name!r}; use the classes of bnn.predictive on its predictions."
        )
    x, y = data.part("valid")
    return x, y if data.task == "classification" else data.to_own_units(y)
