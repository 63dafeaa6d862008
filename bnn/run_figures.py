"""The figures that every run leaves in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bnn import figures, metrics
from bnn.data import Dataset
from bnn.inference import own_units
from bnn.likelihoods import Classification, Likelihood


def draw_figures(
    folder: Path,
    records: Sequence[Mapping[str, Any]],
    likelihood: Likelihood,
    samples: tf.Tensor,
    data: Dataset,
) -> dict[str, Path]:
    """Draws the learning curve, and the reliability diagram or the predictive band of the test set.

    Args:
      folder: of the figures, created where missing.
      records: lines of `metrics.jsonl`.
      likelihood: of the model's task.
      samples: outputs `[S, B, …]` for the test inputs.
      data: the data set.

    Returns:
      Name of each figure to its file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"learning_curve": folder / "learning_curve.png"}
    figures.learning_curve(records, paths["learning_curve"])
    if figures.has_gradient_noise(records):
        paths["gradient_noise"] = folder / "gradient_noise.png"
        figures.gradient_noise(records, paths["gradient_noise"])
    if isinstance(likelihood, Classification):
        paths["reliability"] = folder / "reliability.png"
        _reliability(likelihood.log_probs(samples).numpy(), data.y_test, paths["reliability"])
    else:
        paths["predictive_band"] = folder / "predictive_band.png"
        _band(*own_units(likelihood, samples, data.y_test, data), data, paths["predictive_band"])
    return paths


def _reliability(log_probs: np.ndarray, labels: np.ndarray, path: Path) -> None:
    bins = metrics.reliability(log_probs, labels)
    figures.reliability_diagram(
        bins.confidence, bins.accuracy, bins.count, path, ece=metrics.ece(log_probs, labels)
    )


def _band(
    loc: np.ndarray, scale: np.ndarray, targets: np.ndarray, data: Dataset, path: Path
) -> None:
    """Central 95 % of the first target: over x where x is one number, else by prediction."""
    loc, scale, targets = loc[..., 0], scale[..., 0], targets[:, 0]
    lower, upper = metrics.quantile(loc, scale, [0.025, 0.975])
    mean = loc.mean(axis=0)
    if data.input_shape == (1,):
        figures.predictive_band(data.x_test[:, 0], targets, mean, lower, upper, path)
    else:
        figures.predictive_intervals(targets, mean, lower, upper, path)
