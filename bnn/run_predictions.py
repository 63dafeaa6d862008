"""The predictions that every run leaves in its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from bnn import metrics
from bnn.data import Dataset
from bnn.inference import own_units, target_names
from bnn.likelihoods import Classification, Likelihood
from bnn.predictions import Predictions


def write_predictions(
    folder: Path, likelihood: Likelihood, samples: tf.Tensor, data: Dataset
) -> None:
    """Writes `predictions/test.npz` into a run's folder.

    Args:
      folder: of the run.
      likelihood: of the model's task.
      samples: outputs `[S, B, …]` for the test inputs.
      data: the data set.
    """
    predictions_of_test(likelihood, samples, data).save(folder / "predictions" / "test.npz")


def predictions_of_test(likelihood: Likelihood, samples: tf.Tensor, data: Dataset) -> Predictions:
    """The predictions of the test part, with losses and scores of every example.

    Args:
      likelihood: of the model's task.
      samples: outputs `[S, B, …]` for the test inputs.
      data: the data set.
    """
    if isinstance(likelihood, Classification):
        log_probs = likelihood.log_probs(samples).numpy()
        return Predictions(
            task="classification",
            num_samples=len(log_probs),
            targets=data.y_test,
            losses=metrics.classification_losses(log_probs, data.y_test),
            scores=metrics.uncertainty_scores(log_probs),
            log_probs=log_probs,
            rows=_rows(data),
        )
    loc, scale, targets = own_units(likelihood, samples, data.y_test, data)
    return Predictions(
        task="regression",
        num_samples=len(loc),
        targets=targets,
        losses=metrics.regression_losses(loc, scale, targets, target_names(data)),
        scores=metrics.regression_scores(loc, scale, target_names(data)),
        loc=loc,
        scale=_compact(scale),
        inputs=_own_inputs(data) if data.input_shape == (1,) else None,
        rows=_rows(data),
    )


def _rows(data: Dataset) -> np.ndarray | None:
    """Which rows of its source the test examples are, where the data set knows."""
    return getattr(data, "rows_test", None)


def write_out_of_distribution(
    folder: Path, name: str, likelihood: Likelihood, samples: tf.Tensor
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
    log_probs = likelihood.log_probs(samples).numpy()
    Predictions(
        task="classification",
        num_samples=len(log_probs),
        targets=np.zeros(0, np.int32),
        losses={},
        scores=metrics.uncertainty_scores(log_probs),
        log_probs=log_probs,
    ).save(folder / "predictions" / "out_of_distribution" / f"{name}.npz")


def _compact(scale: np.ndarray) -> np.ndarray:
    """The scale without the axes along which it is constant: they broadcast."""
    for axis in range(scale.ndim):
        first = scale.take([0], axis)
        if (scale == first).all():
            scale = first
    return scale


def _own_inputs(data: Dataset) -> np.ndarray:
    inputs = data.x_test[:, 0].astype(np.float64)
    if data.input_scale is not None:
        inputs = inputs * np.ravel(data.input_scale)[0]
    if data.input_loc is not None:
        inputs = inputs + np.ravel(data.input_loc)[0]
    return inputs
