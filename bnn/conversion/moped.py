"""Scales in proportion to trained weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def moped(delta: float = 0.1, floor: float = 1e-3) -> Callable[[np.ndarray], np.ndarray]:
    """σ = δ |w|: "model priors with empirical Bayes using DNN" (Krishnan, Subedar & Tickoo 2020).

    For `bnn.convert(model, initial_scale=bnn.moped(0.1), prior=bnn.priors.Around(1.0))`.

    Args:
      delta: δ, positive; the paper takes 0.05 to 0.2.
      floor: least σ, for weights near zero, whose scale could not grow from 0.

    Returns:
      A function of trained weights to the scales of the same shape.

    Raises:
      ValueError: an argument that is not positive.
    """
    for name, value in (("delta", delta), ("floor", floor)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a positive finite number, got {value!r}.")
    return lambda weights: np.maximum(delta * np.abs(weights), floor)
