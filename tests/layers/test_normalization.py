"""Normalisations: Keras's moments, masks and moving averages, with random scale and offset."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import assert_same, families

import bnn
from bnn.estimators import Flipout, LocalReparameterization, Mean, Reparameterization
from bnn.layers import BatchNormalization
from bnn.posteriors import MeanFieldNormal

WIDE = families(BatchNormalization, MeanFieldNormal(0.3))


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(2, 3, size=(6, 5, 4)), tf.float32)


def moved(layer):
    return [np.asarray(v) for v in (layer.moving_mean, layer.moving_variance)]


@pytest.mark.parametrize("masked", [False, True])
def test_training_is_that_of_the_namesake(masked, x, rng, mode):
    mask = tf.constant(rng.random((6, 5)) < 0.7) if masked else None
    layer, plain = BatchNormalization(momentum=0.7, **WIDE), None
    layer(x)

    @mode
    def train(x):
        with bnn.Draw(0, Reparameterization()) as draw:
            y = layer(x, training=True, mask=mask)
        return y, [draw.weights[site] for site in layer.sites]

    plain = keras.layers.BatchNormalization(momentum=0.7)
    plain(x)
    for _ in range(2):
        y, weights = train(x)
        for variable, value in zip(plain.trainable_variables, weights, strict=True):
            variable.assign(value)
        assert_same(y, plain(x, training=True, mask=mask))
        assert_same(moved(layer), moved(plain))
    assert_same(layer(x), _at_mean(plain, layer)(x))


def _at_mean(plain, layer):
    for variable, site in zip(plain.trainable_variables, layer.sites, strict=True):
        variable.assign(site.posterior.mean)
    return plain


@pytest.mark.parametrize("num_samples", [1, 3])
def test_an_objective_moves_the_averages_once(num_samples, x):
    model = keras.Sequential(
        [keras.Input((5, 4)), BatchNormalization(momentum=0.5), keras.layers.Flatten()]
    )
    likelihood = bnn.likelihoods.Normal()
    likelihood.build()
    objective = bnn.objectives.NegativeELBO(likelihood, 6, num_samples=num_samples)
    objective(model, x, tf.zeros((6, 20)), estimator=Reparameterization(), seed=0, step=0)
    mean = np.mean(x, axis=(0, 1))
    np.testing.assert_allclose(model.layers[0].moving_mean, mean / 2, rtol=1e-4)


def test_a_frozen_layer_uses_its_averages(x):
    layer = BatchNormalization(trainable=False)
    with bnn.Draw(0, Mean()):
        y = layer(x, training=True)
    np.testing.assert_allclose(y, x / np.sqrt(1 + 1e-3), rtol=1e-4)
    thawed = BatchNormalization()
    thawed.build(x.shape)
    thawed.trainable = False
    before = moved(thawed)
    with bnn.Draw(0, Mean()):
        thawed(x, training=True)
    assert_same(moved(thawed), before)


def test_renorm_goes_to_keras(x):
    if "renorm" not in keras.layers.BatchNormalization().get_config():
        pytest.skip("this Keras version has no renorm")
    layer = BatchNormalization(renorm=True, renorm_momentum=0.8)
    assert layer.get_config()["renorm_momentum"] == 0.8
    plain = keras.layers.BatchNormalization(renorm=True, renorm_momentum=0.8)
    for one in (layer, plain):
        one(x)
    with bnn.Draw(0, Mean()):
        assert_same(layer(x, training=True), plain(x, training=True))


@pytest.mark.parametrize("name", ["LayerNormalization", "GroupNormalization", "RMSNormalization"])
def test_masks_pass_on(name):
    embedding = keras.layers.Embedding(5, 4, mask_zero=True)
    layer = getattr(bnn.layers, name)(**({"groups": 2} if name.startswith("Group") else {}))
    ids = np.array([[1, 0, 2, 0]])
    np.testing.assert_array_equal(layer(embedding(ids))._keras_mask, ids != 0)


def test_padding_counts_in_groups_as_in_keras(x):
    """And not in the normalisations that are named in its place."""
    padded, mask = tf.pad(x, [[0, 0], [0, 3], [0, 0]]), np.arange(8) < 5
    layer, plain = bnn.layers.GroupNormalization(2), keras.layers.GroupNormalization(2)
    assert_same(layer(padded), plain(padded))
    assert np.abs(layer(padded)[:, :5] - layer(x)).max() > 0.1
    for other in (bnn.layers.LayerNormalization(), bnn.layers.RMSNormalization()):
        assert_same(other(padded)[:, :5], other(x))
    other = bnn.layers.FilterResponseNormalization()
    assert_same(other(padded, mask=tf.constant(np.tile(mask, (6, 1))))[:, :5], other(x))


def test_the_default_prior_of_a_scale_stands_at_one():
    for name, site in (("LayerNormalization", "gamma"), ("RMSNormalization", "scale")):
        layer = getattr(bnn.layers, name)()
        assert getattr(layer, f"{site}_prior").loc == 1.0
        given = getattr(bnn.layers, name)(**{f"{site}_prior": bnn.priors.Normal(0.25)})
        assert getattr(given, f"{site}_prior").loc == 0.25
    assert bnn.layers.LayerNormalization().beta_prior.loc == 0.0


@pytest.mark.parametrize("estimator", [LocalReparameterization(), Flipout()])
def test_positions_share_weights_only_where_they_should(estimator, x):
    """One γ serves all positions: Flipout keeps that, local reparameterization samples outputs."""
    layer = bnn.layers.LayerNormalization(center=False, gamma_posterior=MeanFieldNormal(0.5))
    same = tf.repeat(tf.repeat(x[:1, :1], 5, axis=1), 6, axis=0)
    layer(same)
    with bnn.Draw(0, estimator):
        y = np.asarray(layer(same))
    assert np.abs(y[0] - y[1]).max() > 1e-2
    coupled = np.abs(y - y[:, :1]).max() < 1e-5
    assert bool(coupled) is isinstance(estimator, Flipout)


def test_unknown_sizes():
    for layer in (
        bnn.layers.LayerNormalization(name="norm"),
        bnn.layers.RMSNormalization(name="norm"),
    ):
        with pytest.raises(ValueError, match=r"layer 'norm' must have known sizes at axes \[-1\]"):
            layer(keras.Input((3, None)))
