"""The estimators' contract on every family of the table that has a covariance in closed form.

Under the false-alarm rate of `tests/conformance`.
"""

import pytest
import tensorflow as tf

from bnn import estimators as e
from bnn import layers
from bnn import posteriors as q
from bnn.diagnostics import CHECKS, Verdict, check_estimator
from tests.posteriors.descriptors import POSTERIORS

CHEAP = tuple(check for check in CHECKS if check not in ("modes", "ledger"))
MAKE = {
    "Mean": e.Mean,
    "Reparameterization": e.Reparameterization,
    "LocalReparameterization": e.LocalReparameterization,
    "Flipout": e.Flipout,
    "ScoreFunction": lambda: e.ScoreFunction(e.RunningMean()),
}
CELLS = [
    (name, estimator)
    for name, descriptor in POSTERIORS.items()
    if descriptor.variance and name not in ("MeanFieldNormal", "MeanFieldNormal softplus")
    for estimator in sorted(descriptor.estimators - {"Mean"})
]
EVERYDAY = [("LowRankNormal", "LocalReparameterization"), ("MatrixNormal", "Flipout")]


SHARED = q.GroupHorseshoe.shared_covariance


def _full_covariance(posterior):
    second = posterior._per_weight(posterior._scale_moments()[1])
    own = tf.reshape(tf.exp(2 * posterior.log_scale) * second, [-1])
    return SHARED(posterior) + tf.linalg.diag(own)


def report_on(name, estimator, checks=CHEAP, layer=None, shape=(3, 3)):
    # Members are common to all sites, which the contract takes to be independent: one site alone.
    layer = layers.Dense(2, use_bias=name != "BatchEnsemble") if layer is None else layer
    return check_estimator(
        MAKE[estimator](), layer, POSTERIORS[name].make(), input_shape=shape, checks=checks
    )


@pytest.mark.parametrize(("name", "estimator"), EVERYDAY)
def test_contract(name, estimator):
    report = report_on(name, estimator)
    assert report.ok, report


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "estimator"), [cell for cell in CELLS if cell not in EVERYDAY])
def test_contract_in_the_long_table(name, estimator):
    report = report_on(name, estimator)
    assert report.ok, report


# Families whose local form shares noise among an example's positions, and one that does not.
POSITIONS = ["LowRankNormal", "MCDropout", "RankOne", "GroupHorseshoe", "MatrixNormal"]


@pytest.mark.slow
@pytest.mark.parametrize("name", POSITIONS)
def test_local_forms_at_positions(name):
    report = report_on(name, "LocalReparameterization", ("moments",), shape=(2, 2, 3))
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize(
    "forgotten", [None, lambda self: self.covariance()], ids=["none", "all of it"]
)
def test_what_positions_share_is_seen(forgotten, monkeypatch):
    """Neither nothing nor everything: what z adds, and no more."""
    wrong = (lambda self: None) if forgotten is None else forgotten
    monkeypatch.setattr(q.GroupHorseshoe, "shared_covariance", wrong)
    monkeypatch.setattr(q.GroupHorseshoe, "covariance", _full_covariance)
    report = report_on("GroupHorseshoe", "LocalReparameterization", ("moments",), shape=(2, 2, 3))
    assert report["covariance across positions"].verdict is Verdict.FAIL, report


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [n for n in POSTERIORS if not n.startswith("MeanField")])
def test_modes(name):
    """Eager, graph and XLA give the same numbers; the ledger does not depend on the batch."""
    report = report_on(name, "Reparameterization", ("modes", "ledger"))
    assert report.ok, report


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        ("LowRankNormal", "Flipout"),
        ("Radial", "Flipout"),
        ("KTiedNormal", "LocalReparameterization"),
        ("MatrixNormal", "Reparameterization"),
        ("MCDropout", "Reparameterization"),
    ],
)
def test_convolutions(name, estimator):
    layer = layers.Conv2D(2, 2)
    report = report_on(name, estimator, layer=layer, shape=(2, 3, 2, 2))
    assert report.ok, report
