"""The estimators' contract on every family of the table that has a covariance in closed form.

Under the false-alarm rate of `tests/conformance`. Local forms of terms that an example's positions
share, such as low rank, couple positions, which local reparameterization declares uncorrelated:
the rows of this table have no positions under it.
"""

import pytest

from bnn import estimators as e
from bnn import layers
from bnn.diagnostics import CHECKS, check_estimator
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


def report_on(name, estimator, checks=CHEAP, layer=None, shape=(3, 3)):
    layer = layers.Dense(2) if layer is None else layer
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
