"""Predictions of finished runs for images of other sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnn.data import load_images
from bnn.report.runs import Run
from bnn.runs.recorded_predictions import write_out_of_distribution
from bnn.runs.restore import restore


def predict_other_sets(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Leaves the predictions for other image sets in the folders of the runs that classify.

    The test images of each set are prepared as the run's own, and predicted with as many weight
    samples. What a folder has already is kept, and a run's own set is left out.

    Args:
      runs: finished ones, with their checkpoints.
      names: of folders of `BNN_DATA_DIR` in the layout of MNIST, such as "kmnist".

    Raises:
      FileNotFoundError: a set or a run's checkpoint is missing.
      ValueError: no run classifies, or the images do not have the size of a run's inputs.
    """
    classifying = [run for run in runs if run.task == "classification"]
    if not classifying:
        raise ValueError(
            "out_of_distribution needs runs that classify, got regressions only; leave it out."
        )
    for run in classifying:
        missing = [
            name
            for name in names
            if name != run.data and not out_of_distribution_file(run.path, name).exists()
        ]
        if missing:
            _predict(run.path, missing)


def out_of_distribution_file(folder: Path, name: str) -> Path:
    """Where the predictions for another set stand in a run's folder."""
    return folder / "predictions" / "out_of_distribution" / f"{name}.npz"


def _predict(folder: Path, names: Sequence[str]) -> None:
    trained = restore(folder)
    for name in names:
        images, _ = load_images(name, "test")
        samples = trained.predict(trained.data.prepare_inputs(images))
        write_out_of_distribution(folder, name, trained.problem.likelihood, samples)
