"""Antithetic pairs in predictions: what cancels, and what error is stated."""

import keras
import numpy as np
import pytest

import bnn
from bnn.likelihoods import Categorical, Normal
from bnn.prediction import Draws
from tests.conftest import Z_LIMIT


def network(activation, rng):
    model = keras.Sequential(
        [keras.Input((2,)), bnn.layers.Dense(8, activation=activation), bnn.layers.Dense(1)]
    )
    for site in bnn.sites(model).values():
        shape = site.posterior.shape
        site.posterior.initialise(rng.normal(size=shape), np.full(shape, 0.2, np.float32))
    return model


def test_what_is_odd_cancels_in_a_pair(rng):
    """A linear layer's pairs have the mean of the posterior; each sample is one of its draws."""
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2)])
    x = rng.normal(size=(5, 3)).astype(np.float32)
    pairs = bnn.predict(model, x, functions=Draws(32, 3, antithetic=True)).numpy()
    middle = pairs.reshape(16, 2, 5, 2).mean(axis=1)
    np.testing.assert_allclose(middle, np.broadcast_to(model(x), middle.shape), atol=1e-6)
    np.testing.assert_allclose(pairs[::2], bnn.predict(model, x, 16, seed=3), atol=1e-6)
    said = bnn.predictive(model, Normal(0.5), x, 32, seed=3, antithetic=True)
    np.testing.assert_allclose(said.mean, model(x), atol=1e-6)
    assert np.all(said.standard_error("mean") < 1e-6)
    assert np.all(bnn.predictive(model, Normal(0.5), x, 32, seed=3).standard_error("mean") > 1e-3)


def test_the_error_of_pairs_is_their_spread(rng):
    """Against 400 repetitions; planted: errors that count the samples of a pair as independent."""
    model, x = network("tanh", rng), rng.normal(size=(1, 2)).astype(np.float32)
    outputs = bnn.predict(model, x, functions=Draws(16 * 400, 1, antithetic=True)).numpy()
    means = outputs.reshape(400, 16).mean(axis=1)
    stated = {}
    for coupled in (1, 2):
        values = outputs.reshape(400, 16 // coupled, coupled).mean(axis=2)
        stated[coupled] = np.mean(values.var(axis=1, ddof=1) / (16 // coupled))
    # A sample variance's relative error is about √(2/399); the mean of stated ones is nearer.
    spread = means.var(ddof=1)
    assert abs(spread / stated[2] - 1) < Z_LIMIT * np.sqrt(2.5 / 399)
    assert abs(spread / stated[1] - 1) > Z_LIMIT * np.sqrt(2.5 / 399)
    said = bnn.predictive(model, Normal(0.5), x, 16, seed=1, antithetic=True)
    first = outputs[:16, 0, 0].reshape(8, 2).mean(axis=1)
    expected = first.std(ddof=1) / np.sqrt(8)
    np.testing.assert_allclose(said.standard_error("mean")[0, 0], expected, rtol=1e-4)
    independent = bnn.predict(model, x, 16 * 400, seed=2).numpy().reshape(400, 16).mean(axis=1)
    assert spread < 0.5 * independent.var(ddof=1)


def test_a_tolerance_counts_pairs(rng):
    model, x = network("tanh", rng), rng.normal(size=(20, 2)).astype(np.float32)
    options = {"tolerance": 0.02, "max_samples": 256, "jit_compile": False}
    pairs = bnn.predictive(model, Normal(0.5), x, 8, antithetic=True, **options).convergence
    alone = bnn.predictive(model, Normal(0.5), x, 8, **options).convergence
    assert pairs.num_samples.mean() < alone.num_samples.mean()
    said = bnn.predictive(model, Normal(0.5), x, 8, antithetic=True, **options)
    error = said.standard_error("mean")[:, 0]
    np.testing.assert_allclose(error, said.convergence.standard_error, rtol=1e-6)


def test_refusals_of_pairs(rng):
    model, x = network("tanh", rng), np.zeros((1, 2), np.float32)
    with pytest.raises(ValueError, match=r"num_samples must be even for antithetic pairs, got 3; "):
        Draws(3, antithetic=True)
    with pytest.raises(
        ValueError, match=r"antithetic pairs are of draws of the posterior, with an"
    ):
        bnn.predictive(model, Normal(0.5), x, 3, antithetic=True)
    for options, words in (
        ({"antithetic": True, "max_samples": 33}, r"max_samples must be even for antithetic pairs"),
        ({"functions": Draws(8, antithetic=True)}, r"num_samples must be a multiple of 2 with a t"),
    ):
        count = 4 if "antithetic" in options else 3
        with pytest.raises(ValueError, match=words):
            bnn.predictive(model, Normal(0.5), x, count, tolerance=0.1, **options)
    with pytest.raises(ValueError, match=r"functions and tolerance must be None, and antithetic F"):
        bnn.predictive(model, Categorical(), x, 4, antithetic=True, method="moments")
