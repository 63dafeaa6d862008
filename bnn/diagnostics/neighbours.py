"""Whether inputs say something of targets: the error of nearest neighbours."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import numpy as np

from bnn.formatting import show

_MOST = 1000  # examples looked at
_NEIGHBOURS = (5, 15)
_LEAST_EXAMPLES = 20
_Z_LIMIT = 4.0


class NeighbourError(NamedTuple):
    """How nearest neighbours predict examples that are left out.

    Attributes:
      is_better: than the constant, beyond chance.
      numbers: in words.
      gain: of log p per example over the constant's, of a normal with its own errors' variance,
        nats; None for classes.
    """

    is_better: bool
    numbers: str
    gain: float | None


def neighbour_error(task: str, inputs: Any, targets: np.ndarray) -> NeighbourError | None:
    """Predicts each example by the mean, or majority, of its nearest others; None where unfit.

    Inputs are compared by the Euclidean distance of their standardised numbers. The best of 5 and
    15 neighbours counts, and is better than the constant if the mean of the differences of their
    losses is more than 4 standard errors from 0.

    Args:
      task: `"classification"`, `"regression"` or `"counts"`.
      inputs: `[N, …]` numbers, or a structure of these.
      targets: `[N]` labels or `[N, D]`.
    """
    leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(inputs)]
    targets = np.asarray(targets)
    if len(targets) < _LEAST_EXAMPLES or any(leaf.dtype.kind not in "fiub" for leaf in leaves):
        return None
    rows = np.unique(np.linspace(0, len(targets) - 1, _MOST).astype(int))
    features = np.concatenate(
        [leaf[rows].reshape(len(rows), -1).astype(np.float64) for leaf in leaves], axis=1
    )
    # An example that is there twice would be its own neighbour.
    features, rows_kept = np.unique(features, axis=0, return_index=True)
    if len(features) < _LEAST_EXAMPLES:
        return None
    nearest = _nearest(features)
    values = _as_columns(task, targets[rows][rows_kept])
    constant = _losses(task, values, values.mean(axis=0, keepdims=True))
    best: Any = None
    for count in _NEIGHBOURS:
        losses = _losses(task, values, values[nearest[:, :count]].mean(axis=1))
        gain = constant - losses
        z = gain.mean() / max(gain.std() / math.sqrt(len(gain)), 1e-30)
        if best is None or losses.mean() < best[1].mean():
            best = (count, losses, z)
    count, losses, z = best
    is_better = bool(z > _Z_LIMIT)
    if task == "classification":
        errors = [show(100 * float(each.mean()), 3) for each in (losses, constant)]
        numbers = f"{count} nearest neighbours have an error of {errors[0]} %, of {errors[1]} %"
        return NeighbourError(is_better, numbers, None)
    rmse, spread = (float(np.sqrt(each.mean())) for each in (losses, constant))
    explained = 1 - (rmse / spread) ** 2 if spread > 0 else 0.0
    numbers = f"{count} nearest neighbours explain {show(100 * explained, 3)} %"
    gained = values.shape[1] * math.log(spread / rmse) if is_better and rmse > 0 else None
    return NeighbourError(is_better, f"{numbers} of the variance", gained)


def _nearest(features: np.ndarray) -> np.ndarray:
    """The nearest others of every row, nearest first."""
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    squares = np.sum(features**2, axis=1)
    distances = squares[:, None] + squares - 2 * features @ features.T
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, : max(_NEIGHBOURS)]


def _as_columns(task: str, targets: np.ndarray) -> np.ndarray:
    """`[N, D]`, standardised; of classes their indicators."""
    if task == "classification":
        labels = targets.reshape(-1).astype(int)
        return np.eye(labels.max() + 1)[labels]
    columns = targets.reshape(len(targets), -1).astype(np.float64)
    spread = columns.std(axis=0)
    return columns / np.where(spread > 0, spread, 1.0)


def _losses(task: str, values: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    if task == "classification":
        return (values.argmax(axis=1) != predicted.argmax(axis=1)).astype(float)
    return np.mean((values - predicted) ** 2, axis=1)
