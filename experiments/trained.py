"""What a trained classifier says of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnn import metrics
from bnn.runs.finished import Run
from bnn.runs.restore import restore

__all__ = ["Run", "restore"]  # the studies' way to them

METRICS = ("error", "nll", "brier", "ece")


def log_probs(run: Run, images: np.ndarray, num_samples: int) -> np.ndarray:
    """Log-probabilities `[S, N, C]` of prepared images."""
    likelihood: Any = run.problem.likelihood
    return likelihood.log_probs(run.predict(images, num_samples)).numpy()


def scores(
    log_probs: np.ndarray, labels: np.ndarray, names: Sequence[str] = METRICS
) -> dict[str, float]:
    """Metrics of the mixture of all samples, by name."""
    return {name: getattr(metrics, name)(log_probs, labels) for name in names}
