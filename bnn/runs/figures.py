"""The figures that every run leaves in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnn import figures
from bnn.data import Dataset
from bnn.evaluation import Examples, evaluation_of
from bnn.likelihoods import Likelihood
from bnn.runs.units import standardizes


def draw_figures(
    folder: Path,
    records: Sequence[Mapping[str, Any]],
    likelihood: Likelihood,
    examples: Examples,
    data: Dataset,
) -> dict[str, Path]:
    """Draws the learning curve, and what shows the test set of the likelihood's task best.

    Args:
      folder: of the figures, created where missing.
      records: lines of `metrics.jsonl`; none where the file was lost.
      likelihood: of the model's task.
      examples: of the test part, see `bnn.evaluation.Evaluation`.
      data: the data set.

    Returns:
      Name of each figure to its file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    if records:
        paths["learning_curve"] = folder / "learning_curve.png"
        standardized = standardizes(data)
        figures.learning_curve(records, paths["learning_curve"], standardized=standardized)
    if figures.has_gradient_noise(records):
        paths["gradient_noise"] = folder / "gradient_noise.png"
        figures.gradient_noise(records, paths["gradient_noise"])
    return paths | evaluation_of(likelihood).figures(examples, data, folder)
