"""An objective and its gradient go through a model of all kinds of layers, in every mode."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import BySite, Flipout, LocalReparameterization, Reparameterization

RECURRENT = {
    "lstmcell/*": Flipout(),
    "grucell/*": Reparameterization(),
}
ESTIMATORS = {
    "flipout": Flipout(),
    "local": BySite(RECURRENT, default=LocalReparameterization()),
}
IDS = np.array([[1, 2, 3, 0], [4, 4, 0, 0], [2, 1, 4, 3]])
TARGETS = np.array([[0.0], [1.0], [2.0]], "float32")


def text_model():
    """Ids with padding to one number."""
    ids = keras.Input((None,), dtype="int32")
    x = bnn.layers.Embedding(5, 4, mask_zero=True)(ids)
    x = bnn.layers.LayerNormalization()(x)
    x = x + bnn.layers.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)
    x = bnn.layers.RMSNormalization()(x)
    x = bnn.layers.LSTM(3, return_sequences=True)(x)
    x = bnn.layers.GRU(3)(x)
    x = bnn.layers.BatchNormalization()(x)
    return keras.Model(ids, bnn.layers.Dense(1)(x))


@pytest.fixture
def objective():
    likelihood = bnn.likelihoods.Normal()
    likelihood.build()
    return bnn.objectives.NegativeELBO(likelihood, 11)


def loss_and_gradients(model, objective, estimator, inputs, step):
    with tf.GradientTape() as tape:
        terms = objective(model, inputs, TARGETS, estimator=estimator, seed=3, step=step)
    return terms.loss, tape.gradient(terms.loss, [v.value for v in model.trainable_variables])


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_gradients_reach_every_layer(estimator, objective):
    model = text_model()
    loss, gradients = loss_and_gradients(model, objective, estimator, tf.constant(IDS), 1)
    assert np.isfinite(loss)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_gradients_through_a_scan_agree_between_modes(name, objective, rng):
    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, bnn.layers.Dense(1)(getattr(bnn.layers, name)(3)(inputs)))
    x = tf.constant(rng.normal(size=(3, 4, 3)), tf.float32)

    def gradients(step):
        return loss_and_gradients(model, objective, Flipout(), x, step)

    loss, expected = gradients(tf.constant(1))
    for options in ({}, {"jit_compile": True}):
        other, got = tf.function(gradients, **options)(tf.constant(1))
        np.testing.assert_allclose(other, loss, rtol=1e-5)
        for one, reference in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, reference, rtol=1e-4, atol=1e-6)


def test_every_site_is_in_the_ledger():
    model = text_model()
    found = bnn.ledger(model, noise=bnn.Noise(0))
    kinds = {name.split("_")[1].split("/")[0] for name in found}
    assert kinds == {
        "embedding",
        "layernormalization",
        "einsumdense",
        "rmsnormalization",
        "lstmcell",
        "grucell",
        "batchnormalization",
        "dense",
    }
    assert len(found) == 1 + 2 + 8 + 1 + 3 + 3 + 2 + 2
