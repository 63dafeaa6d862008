"""Metrics of counts."""

from __future__ import annotations

import numpy as np

from bnn.evaluation.evaluation import Examples, register
from bnn.evaluation.regression import RegressionEvaluation
from bnn.noise import Noise, Purpose

# Streams 0 and 1 are the predictive's own samples.
_STREAM = 2


class CountsEvaluation(RegressionEvaluation):
    """The metrics of a regression, with a randomised transform in place of the CDF's steps.

    Coverages and the calibration error are those of u = F(y − 1) + v (F(y) − F(y − 1)), which is
    uniform for a calibrated model (Smith 1985; Czado, Gneiting, Held 2009, section 2.1). v is
    uniform on (0, 1): `Noise(0, purpose=OUTCOMES).uniform([B, D], stream=2)`, the same for the same
    test part whatever the model, so that two models are compared under one randomisation.
    """

    task = "counts"

    def transform(self, examples: Examples) -> np.ndarray:
        """The randomised transform u, `[B, D]`."""
        return randomised(examples["pit_below"], examples["pit"])


def randomised(below: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A point between two values of a CDF, `[B, D]`, of the noise that the class states."""
    noise = Noise(0, purpose=Purpose.OUTCOMES).uniform(at.shape, _STREAM)
    return below + noise.numpy().astype(np.float64) * (at - below)


register(CountsEvaluation())
