"""Runs both forms of a mistake many times."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Found(NamedTuple):
    """What a module's two forms gave."""

    exact: float  # the true gradient
    wrong: np.ndarray | None  # gradients `[draws]`, or None where the tape returned None
    right: np.ndarray  # gradients `[draws]`
    z: float  # mean of `right` minus `exact` in standard errors


def measure(module: ModuleType, draws: int, seed: int) -> Found:
    """Both forms under `draws` different seeds."""
    right = _many(module.right, draws, seed)
    error = max(right.std(ddof=1) / np.sqrt(draws), 1e-7)
    none = module.wrong(tf.constant([0, seed])) is None
    wrong = None if none else _many(module.wrong, draws, seed)
    return Found(module.EXACT, wrong, right, float((right.mean() - module.EXACT) / error))


def show(gradients: np.ndarray | None) -> str:
    """Mean ± standard error."""
    if gradients is None:
        return "`None`"
    error = gradients.std(ddof=1) / np.sqrt(len(gradients))
    return f"{gradients.mean():.3f} ± {error:.3f}".replace("-", "−")


def _many(function, draws: int, seed: int) -> np.ndarray:
    @tf.function(autograph=False)
    def run(numbers: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda number: function(tf.stack([number, seed])),
            numbers,
            fn_output_signature=tf.float32,
        )

    return np.float64(run(tf.range(draws)))
