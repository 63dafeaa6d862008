"""What a Laplace approximation refuses, by name and with the remedy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn import convert
from bnn.layers import Dense
from bnn.likelihoods import Categorical, Normal, StudentT
from bnn.methods import IVON, Laplace
from bnn.posteriors import Point
from bnn.priors import StudentT as HeavyTails
from tests.methods.laplace_cases import Network, conjugate, fitted

OPTIONS = {
    "structure": (
        {"structure": "dense"},
        "must be one of full, diagonal, kfac, low_rank, got",
    ),
    "predictive": ({"predictive": "glm"}, "predictive must be one of linearised, samples, probit"),
    "precision": ({"prior_precision": -1.0}, 'a positive number, "one" or "layer", got -1.0'),
    "noise": ({"choose_noise": 1}, "choose_noise must be True or False, got 1"),
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.values(), ids=OPTIONS)
def test_options(options, message):
    with pytest.raises(ValueError, match=message):
        Laplace(**options)


def dense(units, **options):
    return Dense(units, kernel_posterior=Point(), bias_posterior=Point(), **options)


def fit(model, laplace, likelihood=None, width=3):
    x = np.ones((4, width), np.float32)
    y = np.zeros(4, int)
    return laplace.fit(model, likelihood or Categorical(), (x, y), jit_compile=False)


def small(*layers, width=3):
    return keras.Sequential([keras.Input((width,)), *layers])


def refused():
    shared = dense(3)
    inputs = keras.Input((3,))
    twice = keras.Model(inputs, shared(shared(inputs)))
    plain = small(keras.layers.Reshape((3, 1)), keras.layers.SimpleRNN(2))
    recurrent = convert(plain, posterior=Point(), verbose=False)
    return {
        "large": (small(dense(1400)), Laplace("full"), 'serves at most 4096 weights, got 5600: .* 0.23 GiB; use structure="kfac", "low_rank" or'),  # noqa: E501
        "random": (small(Dense(2)), Laplace(), "method Laplace needs Point posteriors, but site 0_dense/kernel has MeanFieldNormal"),  # noqa: E501
        "plain": (small(keras.layers.Dense(2)), Laplace("full"), "have no prior: they are a plain Keras layer's; give prior_precision"),  # noqa: E501
        "plain kfac": (small(keras.layers.Dense(2)), Laplace("kfac", prior_precision=1.0), r"is of a plain Keras layer \(bnn.convert.*such as where=\["),  # noqa: E501
        "prior": (small(dense(2, kernel_prior=HeavyTails())), Laplace("full"), "site 0_dense/kernel must have a fixed normal prior .* got StudentT"),  # noqa: E501
        "where": (small(dense(2)), Laplace("full", where="head"), r"fits none of 0_dense/kernel, 0_dense/bias"),  # noqa: E501
        "twice": (twice, Laplace(), "0_dense/kernel is called twice; leave it out by where"),
        "scan": (recurrent, Laplace(), 'structure "kfac" serves kernels and biases of dense|every site called once'),  # noqa: E501
        "outputs": (small(keras.layers.Reshape((3, 1)), dense(2)), Laplace("diagonal"), r"one output \[B, C\], but that of .* is \("),  # noqa: E501
    }  # fmt: skip


REFUSED = list(refused())


@pytest.mark.parametrize("name", REFUSED)
def test_models(name):
    model, laplace, message = refused()[name]
    with pytest.raises(ValueError, match=message):
        fit(model, laplace)


def test_likelihoods():
    with pytest.raises(ValueError, match=r"got StudentT; there are formulas for Bernoulli, Cat"):
        fit(small(dense(1)), Laplace(), StudentT())
    with pytest.raises(ValueError, match='"probit" is for Bernoulli and Categorical, got Normal'):
        fit(small(dense(1)), Laplace(predictive="probit"), Normal())


def test_a_second_fit_and_predictions_before_the_first():
    laplace = fitted(*conjugate(), Laplace("full"))
    with pytest.raises(ValueError, match="this Laplace has a model already; make a new one"):
        fitted(*conjugate(), laplace)
    with pytest.raises(ValueError, match=r"data must be \(inputs, targets\), a bnn.data.Dataset"):
        Laplace().fit(small(dense(2)), Categorical(), np.ones(3))
    regression = conjugate()[0]
    unfinished = Laplace("full")
    unfinished.build(
        regression.problem(
            Point(), total_steps=4, seed=0, optimizer=keras.optimizers.Adam(), jit_compile=False
        )
    )
    with pytest.raises(RuntimeError, match="has no curvature yet: call fit, or end the training"):
        unfinished.output_moments(np.eye(3, dtype=np.float32))
    assert unfinished.predict(np.eye(3, dtype=np.float32), 8, 0).shape == (1, 3, 1)
    assert "log_marginal_likelihood" not in unfinished.describe()


def test_a_part_of_the_weights_leaves_the_others_at_their_mode():
    network = Network()
    whole = network.ggn()
    laplace = network.fit(Laplace("full", where="last", prior_precision=0.5))
    assert laplace.weights.fixed == ["0_dense/kernel", "0_dense/bias"]
    assert laplace.describe()["random_weights"] == 15
    jacobian = network.jacobian()[..., 12:]
    inverse = np.linalg.inv(whole[12:, 12:] + 0.5 * np.eye(15))
    exact = np.einsum("ncp,pq,ndq->ncd", jacobian, inverse, jacobian)
    np.testing.assert_allclose(laplace.output_moments(network.x)[1], exact, rtol=2e-4, atol=1e-5)
    biases = Network().fit(Laplace("kfac", where=["*/bias"]))
    assert [t.name for t in biases.weights.tensors] == ["0_dense/bias", "1_dense/bias"]


@pytest.mark.slow
def test_a_converted_model_is_served():
    network = Network()
    plain = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)]
    )
    for variable, array in zip(plain.trainable_variables, network.arrays, strict=True):
        variable.assign(array)
    converted = convert(plain, posterior=Point(), verbose=False)
    data = (network.x, network.y)
    options = {"jit_compile": False}
    ours = network.fit(Laplace("kfac")).output_moments(network.x)[1]
    theirs = Laplace("kfac").fit(converted, Categorical(), data, **options)
    np.testing.assert_allclose(theirs.output_moments(network.x)[1], ours, rtol=1e-5)
    full = Laplace("full", prior_precision=1.0).fit(plain, Categorical(), data, **options)
    assert [t.name.partition("/")[2] for t in full.weights.tensors] == ["kernel", "bias"] * 2
    own = Network().fit(Laplace("full")).output_moments(network.x)[1]
    np.testing.assert_allclose(full.output_moments(network.x)[1], own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", [Laplace(), IVON()], ids=["Laplace", "IVON"])
def test_several_replicas(method, monkeypatch):
    problem = conjugate()[0].problem(
        Point(), total_steps=4, seed=0, optimizer=keras.optimizers.Adam(), jit_compile=False
    )
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: Two)
    with pytest.raises(ValueError, match="runs on one device, got 2 replicas; use"):
        method.build(problem)


class Two:
    num_replicas_in_sync = 2
