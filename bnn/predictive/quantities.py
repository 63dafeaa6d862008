"""What a mixture says, with the Monte-Carlo errors of it, and its order."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnn.likelihoods import ClassMixture, Mixture
from bnn.predictive import standard_errors

QUANTITIES = ("mean", "total", "aleatoric", "epistemic")


def moments(mixture: Mixture | ClassMixture, coupled: int) -> list[Any]:
    """The `QUANTITIES`, and after them the standard error of each."""
    if isinstance(mixture, ClassMixture):
        known, errors = standard_errors.of_classes(mixture, coupled)
        values = [known[name] for name in QUANTITIES]
    else:
        errors = standard_errors.of_mixture(mixture, coupled)
        values = [mixture.mean(), mixture.variance(), mixture.aleatoric(), mixture.epistemic()]
    return [*values, *(errors[name] for name in QUANTITIES)]


def in_order(each: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Values of blocks of inputs, `[N, …]`, in the order of the inputs."""
    places, values = (np.concatenate(part) for part in zip(*each, strict=True))
    result = np.empty_like(values)
    result[places] = values
    return result
