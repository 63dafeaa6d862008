"""The classroom case through `fit`: sin(x), a gap, learned noise, mean field, whole KL."""

import logging
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.keras_model.constant import constant_in_words, some_examples


@pytest.fixture
def fitted(rng, caplog):
    """fitted(signal, kl_weight): the model after 1,200 steps, and what was logged."""

    def fitted(signal=np.sin, kl_weight=1.0, steps=1200):
        x = np.sort(rng.uniform(-4, 4, 80))[:, None]
        x = x[np.abs(x[:, 0]) > 1]
        y = signal(x) + 0.1 * rng.normal(size=x.shape)
        x, y = ((part - part.mean()) / part.std() for part in (x, y))
        layers = [bnn.layers.Dense(50, activation="relu"), bnn.layers.Dense(1)]
        network = keras.Sequential([keras.Input((1,)), *layers])
        model = bnn.BayesianModel(network, bnn.likelihoods.Normal(scale=0.3, trainable=True))
        estimator = bnn.estimators.LocalReparameterization()
        model.compile(keras.optimizers.Adam(0.02), estimator, kl_weight=kl_weight)
        data = tf.data.Dataset.from_tensors((x.astype("float32"), y.astype("float32"))).repeat()
        options = {"num_train": len(x), "shuffle": False, "verbose": 0}
        with caplog.at_level(logging.WARNING, "absl"):
            model.fit(data, steps_per_epoch=steps, **options)
        assert (model.constant_warning in caplog.text) or not model.constant_warning
        return model

    return fitted


def test_the_collapsed_fit_is_named(fitted):
    words = fitted().constant_warning
    assert "predicts no better than a constant: RMSE" in words
    assert "There is something to learn: 5 nearest neighbours explain 9" in words
    assert "The mean-field bound prefers the constant here" in words
    assert "tempered" in words


def test_a_tempered_one_fits_and_gets_no_word(fitted):
    assert fitted(kl_weight=0.05).constant_warning == ""


def test_a_curve_under_noise_as_wide_as_the_targets_is_named(rng):
    """The mean follows the targets, and the noise that was learned says that nothing does."""
    network = keras.Sequential([keras.Input((1,)), bnn.layers.Dense(1, use_bias=False)])
    (site,) = bnn.sites(network).values()
    site.posterior.initialise(np.full((1, 1), 0.5), 0.02)
    x = rng.normal(size=(80, 1)).astype("float32")
    said = {}
    for scale, learned in ((0.6, True), (2.0, True), (2.0, False)):
        likelihood = bnn.likelihoods.Normal(scale=scale, trainable=learned)
        likelihood.build(1)
        said[scale, learned] = constant_in_words(
            network, likelihood, (x, x), num_samples=4, seed=0, kl_weight=1.0
        )
    assert said[0.6, True] == said[2.0, False] == ""  # a fixed noise says nothing of the fit
    assert "no better than a constant" in said[2.0, True]
    assert ", of the noise it has learned 2.00 (the mean follows them" in said[2.0, True]


def test_a_likelihood_of_ones_own_needs_a_mean_and_nothing_more(rng):
    class Own(bnn.likelihoods.Laplace):
        def predictive(self, samples, **units):
            return types.SimpleNamespace(mean=super().predictive(samples, **units).mean)

    network = keras.Sequential([keras.Input((1,)), bnn.layers.Dense(1, use_bias=False)])
    x = rng.normal(size=(40, 1)).astype("float32")
    (site,) = bnn.sites(network).values()
    site.posterior.initialise(np.ones((1, 1)), 0.02)
    likelihood, options = Own(), {"num_samples": 4, "seed": 0, "kl_weight": 1.0}
    likelihood.build(1)
    assert constant_in_words(network, likelihood, (x, x), **options) == ""
    site.posterior.initialise(np.zeros((1, 1)), 0.02)
    assert "no better than a constant" in constant_in_words(network, likelihood, (x, x), **options)


def test_on_noise_the_constant_is_right(fitted):
    words = fitted(np.zeros_like, steps=600).constant_warning
    assert "The constant seems right here" in words


def test_examples_of_every_kind_of_data(rng):
    x, y = rng.normal(size=(600, 2)), rng.normal(size=(600, 1))
    for given in ((x, y), ({"a": x}, y)):
        inputs, targets = some_examples(*given)
        assert len(targets) == len(keras.tree.flatten(inputs)[0]) == 256
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(100)
    inputs, targets = some_examples(dataset, None)
    np.testing.assert_array_equal(inputs, x[:256])
    np.testing.assert_array_equal(targets, y[:256])
    assert some_examples((part for part in ()), None) == (None, None)
    assert some_examples(tf.data.Dataset.from_tensor_slices(x).batch(9), None) == (None, None)
