"""The families' contract holds for twenty fresh seeds, under an estimator each.

In weight space or, where the family has a local form, by it and by Flipout in turns.
"""

import pytest

from bnn import layers
from bnn.diagnostics import Simulation, Verdict, make_subject, run_checks
from tests.posteriors.descriptors import POSTERIORS
from tests.posteriors.test_posterior_contract import MAKE

SEEDS = 20
ORDER = ("Flipout", "LocalReparameterization", "Reparameterization")


def estimator_of(number, served):
    """One of those that serve a family, another for the next."""
    pathwise = [name for name in ORDER if name in served]
    return pathwise[number % len(pathwise)]


RERUN = [
    (name, estimator_of(number, descriptor.estimators))
    for number, (name, descriptor) in enumerate(POSTERIORS.items())
    if descriptor.variance
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "estimator"), RERUN)
def test_fresh_seeds(name, estimator):
    layer = layers.Dense(2, use_bias=name != "BatchEnsemble")
    subject = make_subject(MAKE[estimator](), layer, POSTERIORS[name].make(), input_shape=(3, 3))
    simulation = Simulation(subject)
    for seed in range(2000, 2000 + SEEDS):
        report = run_checks(simulation, ("moments", "gradients"), seed, max_draws=2**14)
        failed = [row for row in report.rows if row.verdict is Verdict.FAIL]
        assert not failed, f"seed {seed}\n{report}"
