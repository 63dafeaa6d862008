"""The contract of `bnn.diagnostics` on every layer that is linear in its weights."""

import pytest

from bnn import layers, operators
from bnn.diagnostics import check_estimator
from bnn.estimators import Flipout, LocalReparameterization, Reparameterization
from bnn.posteriors import MeanFieldNormal

ESTIMATORS = (Reparameterization(), Flipout(), LocalReparameterization())
CASES = {
    "embedding": (layers.Embedding(9, 2), (3, 4)),
    "einsum": (layers.EinsumDense("abc,cde->abde", (None, 2, 2), bias_axes="de"), (3, 2, 2)),
    "einsum idle": (layers.EinsumDense("abc,cd->ad", 2, bias_axes="d"), (3, 2, 2)),
    "depthwise": (layers.DepthwiseConv1D(2, depth_multiplier=2), (3, 3, 2)),
    "transpose": (layers.Conv1DTranspose(2, 2, strides=2), (3, 2, 2)),
    "depthwise 2d": (layers.DepthwiseConv2D(2, depth_multiplier=2), (3, 3, 2, 2)),
    "transpose 2d": (layers.Conv2DTranspose(2, 2), (3, 2, 2, 2)),
    "transpose 3d": (layers.Conv3DTranspose(1, 2), (2, 2, 1, 2, 2)),
}
EVERYDAY = [("embedding", 1), ("einsum", 2)]
EACH = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.describe())


@pytest.mark.parametrize(("name", "number"), EVERYDAY)
def test_contract_without_statistics(name, number):
    layer, shape = CASES[name]
    report = check_estimator(
        ESTIMATORS[number],
        layer,
        MeanFieldNormal(0.5),
        input_shape=shape,
        checks=("structure", "draws", "ledger"),
    )
    assert report.ok, report


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
@EACH
def test_contract(name, estimator):
    layer, shape = CASES[name]
    report = check_estimator(estimator, layer, MeanFieldNormal(0.5), input_shape=shape)
    assert report.ok, report


@pytest.mark.exhaustive
@EACH
def test_contract_of_positions(estimator):
    """`PositionEmbedding` adds its site to its inputs; the contract is of what a site gives."""
    report = check_estimator(
        estimator,
        operators.Offset((2, 2)),
        MeanFieldNormal(0.5),
        input_shape=(3, 2, 2),
        weight_shape=(2, 2),
    )
    assert report.ok, report
