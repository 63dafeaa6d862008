"""WeightSpace: the law of the substituted weights, state, gradients, saving, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import estimators as e
from bnn.layers import Dense, WeightSpace
from bnn.likelihoods import Categorical
from bnn.objectives import NegativeELBO

RNG = np.random.default_rng(1)
X = RNG.normal(size=(6, 5, 8)).astype("float32")
Y = RNG.integers(0, 3, 6)


def sequence_model():
    inputs = keras.Input((5, 8))
    h = WeightSpace(keras.layers.LSTM(7, return_sequences=True))(inputs)
    h = WeightSpace(keras.layers.LayerNormalization())(h)
    h = WeightSpace(keras.layers.BatchNormalization(momentum=0.9), name="norm")(h)
    h = WeightSpace(keras.layers.MultiHeadAttention(2, 4))(h, h)
    h = keras.layers.GlobalAveragePooling1D()(h)
    return keras.Model(inputs, WeightSpace(keras.layers.Dense(3))(h))


def gradients(model, step):
    objective = NegativeELBO(Categorical(), 100, num_samples=2)
    with tf.GradientTape() as tape:
        terms = objective(model, X, Y, estimator=e.Reparameterization(), seed=0, step=step)
    return terms.loss, tape.gradient(terms.loss, model.trainable_variables)


@pytest.mark.slow
def test_every_variable_has_gradients_in_eager_graph_and_xla():
    model = sequence_model()
    loss, expected = gradients(model, 0)
    assert len(expected) == 2 * len(bnn.sites(model)) == 34
    assert all(g is not None and float(tf.norm(g)) > 0 for g in expected)
    for jit in (False, True):
        function = tf.function(lambda s: gradients(model, s), jit_compile=jit, autograph=False)
        other_loss, found = function(tf.constant(0))
        np.testing.assert_allclose(other_loss, loss, rtol=1e-5)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_draw_is_the_layer_with_the_draws_weights():
    layer = keras.layers.MultiHeadAttention(2, 4)
    space = WeightSpace(layer)
    space(X, X)
    with bnn.Draw(3, e.Reparameterization()) as draw:
        outputs = space(X, X)
    for variable, site in space.random:
        variable.assign(draw.weights[site])
    np.testing.assert_allclose(outputs, layer(X, X), atol=1e-6)


def test_the_law_is_that_of_the_dedicated_layer():
    """The same number of sites in the same order: the same noise, so the same outputs."""
    rows = X[:, 0]
    space, dense = WeightSpace(keras.layers.Dense(4)), Dense(4)
    space(rows), dense(rows)
    for variable, value in zip(dense.trainable_variables, space.trainable_variables, strict=True):
        variable.assign(value)
    drawn = []
    for layer in (space, dense):
        with bnn.Draw(0, e.Reparameterization(), sample=7):
            drawn.append(layer(rows))
    np.testing.assert_allclose(*drawn, atol=1e-6)


def test_state_that_the_call_changes_is_written_back_once():
    model = sequence_model()
    norm = model.get_layer("norm").layer
    before = np.array(norm.moving_variance)
    gradients(model, 0)
    after = np.array(norm.moving_variance)
    assert not np.allclose(before, after)
    with bnn.Draw(0, e.Reparameterization(), step=0):
        h = model.layers[2](model.layers[1](X), training=True)
    expected = 0.9 * before + 0.1 * np.var(np.array(h), axis=(0, 1))
    np.testing.assert_allclose(after, expected, rtol=1e-4)


def test_inner_penalties_are_counted_at_the_mean():
    layer = keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5), use_bias=False)
    model = keras.Sequential([keras.Input((8,)), WeightSpace(layer)])
    (site,) = bnn.sites(model).values()
    site.posterior.initialise(np.full((8, 2), 2.0))
    np.testing.assert_allclose(model.losses[0], 0.5 * 16 * 4.0, rtol=1e-6)


def test_only_estimators_that_realise_weights_serve_it():
    model = sequence_model()
    for estimator in (e.Flipout(), e.LocalReparameterization()):
        with pytest.raises(ValueError, match="needs its weights as one tensor") as error:
            NegativeELBO(Categorical(), 100)(model, X, Y, estimator=estimator, seed=0, step=0)
        assert "Estimators that can: Mean, Reparameterization, ScoreFunction." in str(error.value)


@pytest.mark.slow
def test_saves_and_loads(tmp_path):
    model = sequence_model()
    for variable in model.trainable_variables:
        variable.assign_add(0.01 * RNG.normal(size=variable.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(X), model(X))
    np.testing.assert_array_equal(bnn.predict(loaded, X, 3), bnn.predict(model, X, 3))
    assert len(loaded.trainable_variables) == len(model.trainable_variables)


def test_a_layer_without_trainable_weights_is_refused():
    with pytest.raises(ValueError, match="has no trainable weights to be random"):
        WeightSpace(keras.layers.ReLU())(X)


def test_sites_of_one_name_are_refused():
    layer = bnn.layers.Dense(2)
    layer.build((None, 3))
    kernel = layer.kernel
    message = r"must have different names, got 'kernel' twice: the ledger would count one"
    with pytest.raises(ValueError, match=message):
        layer.declare("kernel", kernel.operator, kernel.posterior, kernel.prior)
