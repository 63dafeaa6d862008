"""The contract holds for fresh noise, and its z-scores have the law that its limits presuppose."""

import cells
import numpy as np
import pytest
from scipy import stats

from bnn.diagnostics import Simulation, Verdict, make_subject, run_checks

SEEDS = 20
RERUN = [
    ("reparameterization", "conv2d_strided", "softplus"),
    ("local", "dense_positions", "exponential"),
    ("flipout", "conv1d", "softplus"),
    ("score", "bias", "softplus"),
    ("score_optimal", "dense", "exponential"),
    ("score_importance", "dense", "softplus"),
    ("local_and_score", "dense", "softplus"),
    ("flipout_and_importance", "dense", "softplus"),
]


@pytest.mark.slow
@pytest.mark.parametrize("cell", RERUN, ids="-".join)
def test_fresh_seeds(cell):
    positional, shapes = cells.arguments(*cell)
    simulation = Simulation(make_subject(*positional, **shapes))
    scores = []
    for seed in range(1000, 1000 + SEEDS):
        report = run_checks(simulation, ("moments", "gradients"), seed, max_draws=2**14)
        failed = [row for row in report.rows if row.verdict is Verdict.FAIL]
        assert not failed, f"seed {seed}\n{report}"
        scores += [row.z for row in report.rows if row.z is not None and abs(row.z) > 1e-3]
    # The largest of k scores, against the law of the largest of k normal numbers: far tails as
    # assumed. Rows have up to some hundred entries, so that the median of |z| is near 2.5.
    assert stats.norm.sf(np.max(np.abs(scores))) * len(scores) * 200 > 1e-4
