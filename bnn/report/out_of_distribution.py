"""Predictions of finished runs for images of other sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bnn.data import load_images
from bnn.report.runs import Run
from bnn.runs.recorded_predictions import write_out_of_distribution
from bnn.runs.restore import restore


def predict_other_sets(
    runs: Sequence[Run],
    names: Sequence[str],
    say: Callable[[str], None] = lambda line: None,
    imports: Sequence[str] = (),
) -> list[str]:
    """Leaves the predictions for other image sets in the folders of the runs that classify.

    The test images of each set are prepared as the run's own, and predicted with as many weight
    samples. What a folder has already is kept, and a run's own set is left out.

    Args:
      runs: finished ones, with their checkpoints.
      names: of folders of `BNN_DATA_DIR` in the layout of MNIST, such as "kmnist".
      say: told of every run before it predicts.
      imports: modules that a recorded configuration may import.

    Returns:
      A line for each run that cannot take a set, with the reason: images of another size, a
      checkpoint that is missing or cannot be restored, code that is not allowed, a folder that
      cannot be written.

    Raises:
      FileNotFoundError: a set is missing.
      ValueError: no run classifies, or a set cannot be read.
    """
    classifying = [run for run in runs if run.task == "classification"]
    if not classifying:
        raise ValueError(
            "out_of_distribution needs runs that classify, got regressions only; leave it out."
        )
    images = {name: load_images(name, "test")[0] for name in dict.fromkeys(names)}
    skipped = []
    for run in classifying:
        missing = {
            name: pixels
            for name, pixels in images.items()
            if name != run.data and not out_of_distribution_file(run.path, name).exists()
        }
        if missing:
            say(f"{run.path}: predicting {', '.join(missing)}")
            skipped += _predict(run.path, missing, imports)
    return skipped


def out_of_distribution_file(folder: Path, name: str) -> Path:
    """Where the predictions for another set stand in a run's folder."""
    return folder / "predictions" / "out_of_distribution" / f"{name}.npz"


def _predict(folder: Path, images: Mapping[str, np.ndarray], imports: Sequence[str]) -> list[str]:
    """Predicts the sets that the run can take; a line for each of the others."""
    try:
        trained = restore(folder, imports=imports)
    except (ValueError, OSError, RuntimeError) as damage:
        return [f"{folder} is not tested against {', '.join(images)}: {_one_line(damage)}"]
    skipped = []
    for name, pixels in images.items():
        try:
            samples = trained.predict(trained.data.prepare_inputs(pixels))
            write_out_of_distribution(folder, name, trained.problem.likelihood, samples)
        except (ValueError, OSError) as refusal:
            skipped.append(f"{folder} is not tested against {name}: {_one_line(refusal)}")
    return skipped


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
