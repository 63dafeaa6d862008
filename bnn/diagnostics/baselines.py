"""A baseline must not depend on the sample that it is subtracted from."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bnn.diagnostics.report import Report, Row, truth_row
from bnn.estimators import Baseline


def check_baseline(baseline: Baseline, num_samples: int = 4) -> Report:
    """Whether b leaves the score-function gradient unbiased: bₛ independent of sample s.

    E[b ∇ log q(w)] = 0 needs b independent of w. The value fₛ and the score norm nₛ of every sample
    are moved on their own, at the start and after the baseline has seen some steps; bₛ must not
    follow.

    Args:
      baseline: under test; what it remembers changes.
      num_samples: S.

    Returns:
      A report of exact rows.
    """
    rows = [_independence_row(baseline, num_samples, "at the start")]
    for step in range(3):
        baseline.update(tf.constant(_positive(num_samples, step)))
    rows.append(_independence_row(baseline, num_samples, "later"))
    return Report(type(baseline).__name__, tuple(rows), 0, 0.0)


def _independence_row(baseline: Baseline, num_samples: int, when: str) -> Row:
    values, norms = _positive(num_samples, 9), _positive(num_samples, 10)
    before = baseline(tf.constant(values), tf.constant(norms)).numpy()
    guilty = set()
    for s in range(num_samples):
        shift = np.eye(num_samples, dtype=np.float32)[s]
        for moved in ((values + shift, norms), (values, norms + shift)):
            if abs(baseline(*map(tf.constant, moved)).numpy()[s] - before[s]) > 1e-5:
                guilty.add(s)
    note = f"b follows its own sample for samples {sorted(guilty)}" if guilty else ""
    return truth_row(f"baseline independent of its own sample, {when}", not guilty, note)


def _positive(num_samples: int, number: int) -> np.ndarray:
    return np.random.default_rng(number).uniform(1.0, 5.0, num_samples).astype(np.float32)
