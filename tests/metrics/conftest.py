"""Predictive samples that the tests of the metrics share."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import log_softmax


class Classification(NamedTuple):
    log_probs: np.ndarray  # [S, B, C]
    labels: np.ndarray  # [B]
    mean: np.ndarray  # [B, C], the mean of the probabilities


class Regression(NamedTuple):
    loc: np.ndarray
    scale: np.ndarray
    targets: np.ndarray


@pytest.fixture
def classification():
    rng = np.random.default_rng(0)
    log_probs = log_softmax(2.0 * rng.normal(size=(7, 300, 4)), axis=-1)
    mean = np.exp(log_probs).mean(axis=0)
    labels = np.array([rng.choice(4, p=p / p.sum()) for p in mean])
    return Classification(log_probs, labels, mean)


@pytest.fixture(params=[(1, 6), (5, 6), (5, 6, 3)], ids=["S=1", "B", "BxD"])
def regression(request):
    rng = np.random.default_rng(1)
    loc = 3.0 * rng.normal(size=request.param) + 10.0
    scale = rng.uniform(0.1, 2.0, size=request.param)
    targets = 3.0 * rng.normal(size=request.param[1:]) + 10.0
    return Regression(loc, scale, targets)
