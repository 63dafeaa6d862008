"""The predictions that every run leaves in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bnn.data import Dataset
from bnn.evaluation import Judged, judged
from bnn.evaluation.predictives import own_inputs
from bnn.likelihoods import Classification, Likelihood
from bnn.runs.prediction_file import Predictions


def write_predictions(folder: Path, likelihood: Likelihood, test: Judged, data: Dataset) -> None:
    """Writes `predictions/test.npz` into a run's folder.

    Args:
      folder: of the run.
      likelihood: of the model's task.
      test: of the test part.
      data: the data set.
    """
    predictions_of_test(likelihood, test, data).save(folder / "predictions" / "test.npz")


def predictions_of_test(likelihood: Likelihood, test: Judged, data: Dataset) -> Predictions:
    """The predictions of the test part, with losses and scores of every example."""
    samples = dict(test.samples or {})
    if "scale" in samples:
        samples["scale"] = _compact(samples["scale"])
    return Predictions(
        task=likelihood.task,
        num_samples=test.num_samples,
        targets=test.examples["targets"],
        losses=_under("loss/", test),
        scores=_under("score/", test),
        inputs=own_inputs(data) if _one_input(data) else None,
        rows=_rows(data),
        **samples,
    )


def _rows(data: Dataset) -> np.ndarray | None:
    """Which rows of its source the test examples are, where the data set was told.

    Not the numbers that `Dataset.rows` counts up where it was not: two splits of one table would
    seem to have the same test examples.
    """
    return None if data.rows_test is None else data.rows("test")


def write_out_of_distribution(
    folder: Path, name: str, likelihood: Likelihood, samples: Any
) -> None:
    """Writes `predictions/out_of_distribution/<name>.npz` into a run's folder.

    Args:
      folder: of the run.
      name: of the other data set.
      likelihood: of the model's task, a classification.
      samples: outputs `[S, B, C]` for the inputs of the other set, prepared as the run's own
        (`Dataset.prepare_inputs`).

    Raises:
      ValueError: the likelihood is none of classes, whose scores of uncertainty these are.
    """
    if not isinstance(likelihood, Classification):
        raise ValueError(
            "out-of-distribution scores need a likelihood of classes, got "
            f"{type(likelihood).__name__}; leave the other data sets out for a regression."
        )
    other = judged(likelihood, samples, None, None)
    Predictions(
        task=likelihood.task,
        num_samples=other.num_samples,
        targets=np.zeros(0, np.int32),
        losses={},
        scores=_under("score/", other),
        **dict(other.samples or {}),
    ).save(folder / "predictions" / "out_of_distribution" / f"{name}.npz")


def _under(prefix: str, judged: Judged) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): values
        for name, values in judged.examples.items()
        if name.startswith(prefix)
    }


def _compact(scale: np.ndarray) -> np.ndarray:
    """The scale without the axes along which it is constant: they broadcast."""
    for axis in range(scale.ndim):
        first = scale.take([0], axis)
        if (scale == first).all():
            scale = first
    return scale


def _one_input(data: Dataset) -> bool:
    known = data.test_source is None
    return known and data.task == "regression" and data.input_shape == (1,)
