"""Which inputs of a pool are labelled next, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bnn.predictive import (
    bald,
    disagreement,
    expected_entropy,
    predictive_variance,
    thompson,
    top_k,
)
from experiments.active.learner import Learner

SAMPLES = 32  # functions behind a score

# Of a trained learner and the inputs that have no label, k of their places.
Strategy = Callable[[Learner, np.ndarray, int, np.random.Generator], np.ndarray]


def _by(score: Callable[..., np.ndarray]) -> Strategy:
    return lambda learner, pool, k, random: top_k(score(learner.predictive(pool, SAMPLES)), k)


def _thompson(
    learner: Learner, pool: np.ndarray, k: int, random: np.random.Generator
) -> np.ndarray:
    return thompson(disagreement(learner.log_probs(pool, SAMPLES)), k)


STRATEGIES: dict[str, Strategy] = {
    "random": lambda learner, pool, k, random: random.choice(len(pool), k, replace=False),
    "BALD": _by(bald),
    "Thompson": _thompson,
    "predictive variance": _by(predictive_variance),
    "expected entropy": _by(expected_entropy),
}
