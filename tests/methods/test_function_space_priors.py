"""A prior whose scale was matched to functions, where methods need its precision."""

import math

import keras
import numpy as np
import pytest

import bnn
from bnn import priors
from bnn.methods import IVON, VBLL, Laplace, Problem
from bnn.posteriors import MeanFieldNormal, Point

X = np.random.RandomState(0).normal(size=(12, 3)).astype(np.float32)
Y = (X[:, :1] - 0.5 * X[:, 1:2]).astype(np.float32)
SCALE = 0.6


def network(prior, posterior=Point):
    """The same weights, whatever the prior."""
    keras.utils.set_random_seed(1)
    options = {f"{part}_prior": prior for part in ("kernel", "bias")}
    options |= {f"{part}_posterior": posterior() for part in ("kernel", "bias")}
    hidden = bnn.layers.Dense(4, activation="tanh", **options)
    return keras.Sequential([keras.Input((3,)), hidden, bnn.layers.Dense(1, **options)])


def match(model):
    """What `bnn.conversion.match_priors` leaves: another scale in variables that stay."""
    for site in bnn.sites(model).values():
        [variable] = site.prior.variables
        variable.assign(math.log(SCALE))


def likelihood():
    made = bnn.likelihoods.Normal(0.3, trainable=False)
    made.build(1)
    return made


@pytest.fixture
def pair():
    """A network with matched priors, and one with normal priors of the same scale."""
    matched = network(priors.FunctionSpaceNormal())
    match(matched)
    return matched, network(priors.Normal(scale=SCALE))


def test_laplace_has_the_precision_as_matched(pair):
    one, other = (
        Laplace("full").fit(model, likelihood(), (X, Y), batch_size=5, jit_compile=False)
        for model in pair
    )
    np.testing.assert_allclose(one.output_moments(X)[1], other.output_moments(X)[1], rtol=1e-6)
    expected = float(other.log_marginal_likelihood())
    assert float(one.log_marginal_likelihood()) == pytest.approx(expected, rel=1e-6)
    unmatched = network(priors.FunctionSpaceNormal())
    third = Laplace("full").fit(unmatched, likelihood(), (X, Y), batch_size=5, jit_compile=False)
    assert not np.allclose(third.output_moments(X)[1], one.output_moments(X)[1])


def built(method, model):
    method.build(Problem(model, likelihood(), len(X), 10, 0, keras.optimizers.SGD(0.1)))
    return method


def losses(method):
    batch = bnn.data.ResidentBatches(X, Y, batch_size=12, seed=0).at(0)
    info = method.loss(batch, bnn.noise.Noise(0))
    return float(info.loss), float(info.metrics["kl/spread"])


def test_vbll_has_the_precision_of_now():
    matched = built(VBLL(), network(priors.FunctionSpaceNormal()))
    before = losses(matched)
    match(matched.problem.model)
    after = losses(matched)
    assert after == pytest.approx(
        losses(built(VBLL(), network(priors.Normal(scale=SCALE)))), rel=1e-6
    )
    assert abs(after[1] - before[1]) > 0.01


def test_ivon_serves_it():
    built(IVON(), network(priors.FunctionSpaceNormal(), MeanFieldNormal))
