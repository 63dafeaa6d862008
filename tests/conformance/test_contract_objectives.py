"""The contract on other objectives and priors, whose gradients have the same closed forms."""

import functools

import pytest

from bnn import layers, priors
from bnn.diagnostics import CHECKS, Verdict, check_estimator
from bnn.estimators import Flipout, LeaveOneOut, Reparameterization, ScoreFunction
from bnn.objectives import NegativeELBO, StickingTheLanding
from bnn.posteriors import MeanFieldNormal

CHEAP = tuple(check for check in CHECKS if check not in ("modes", "ledger"))
MIXTURE = priors.ScaleMixture(0.5, 1.0, 0.1)
LEARNED = priors.Normal(scale=0.7, trainable=True)


def report_on(estimator, **arguments):
    return check_estimator(
        estimator, layers.Dense(2), MeanFieldNormal(0.5), **{"checks": CHEAP, **arguments}
    )


def long(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


# Everyday, tests/objectives and tests/test_antithetic.py hold these gradients to closed forms.
@pytest.mark.slow
@pytest.mark.parametrize("prior", [None, MIXTURE], ids=["normal", "mixture"])
def test_sticking_the_landing(prior):
    report = report_on(
        Reparameterization(), objective=StickingTheLanding, num_samples=2, prior=prior
    )
    assert report.ok, report


def test_sticking_the_landing_has_a_kl_of_its_own():
    report = report_on(
        Reparameterization(), objective=StickingTheLanding, num_samples=2, checks=("ledger",)
    )
    assert report.ok, report
    assert report["KL invariant to the number of samples"].verdict is Verdict.SKIP


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [Reparameterization(), Flipout()])
def test_antithetic_pairs(estimator):
    objective = functools.partial(NegativeELBO, antithetic=True)
    report = report_on(estimator, objective=objective, num_samples=2)
    assert report.ok, report


@pytest.mark.parametrize(
    ("estimator", "prior"),
    [
        (Reparameterization(), MIXTURE),
        long(Reparameterization(), LEARNED),
        long(ScoreFunction(LeaveOneOut()), MIXTURE),
        long(ScoreFunction(LeaveOneOut()), LEARNED),
    ],
)
def test_priors(estimator, prior):
    report = report_on(estimator, prior=prior)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("prior", [MIXTURE, LEARNED], ids=["mixture", "learned"])
def test_priors_in_all_modes(prior):
    report = report_on(Reparameterization(), prior=prior, checks=("modes", "ledger"))
    assert report.ok, report


@pytest.mark.slow
def test_more_samples():
    report = report_on(Flipout(), num_samples=3)
    assert report.ok, report
