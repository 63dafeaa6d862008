"""Recurrent layers: one weight sample a sequence, and Keras's semantics in everything else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import assert_same, copy_into, families

import bnn
from bnn.estimators import BySite, Flipout, LocalReparameterization, Mean, Reparameterization
from bnn.posteriors import MeanFieldNormal

NAMES = ("SimpleRNN", "LSTM", "GRU")
EACH = pytest.mark.parametrize("name", NAMES)
SHAPE = (4, 5, 3)


def make(layer, scale=0.3, **arguments):
    kind = getattr(bnn.layers, layer)
    return kind(2, **families(kind, MeanFieldNormal(scale)), **arguments)


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=SHAPE), tf.float32)


def pair(build, x, draw, **options):
    """Outputs of a Bayesian model in a draw, and of its namesake with the draw's weights.

    Args:
      build: from a module, of which it takes layers by name, to a model.
    """
    model, plain = build(make), build(lambda name, **a: getattr(keras.layers, name)(2, **a))
    model(x)
    plain(x)
    with draw:
        got = model(x, **options)
        copy_into(plain, model, draw)
    return got, plain(x, **options)


@EACH
def test_masked_steps_keep_the_state(name, x):
    mask = np.array([[1, 1, 0, 0, 0], [1] * 5, [0, 1, 0, 1, 1], [1, 0, 0, 0, 0]], bool)
    arguments = {"return_sequences": True, "zero_output_for_mask": True}
    got, expected = pair(
        lambda layer: layer(name, **arguments), x, bnn.Draw(0, Reparameterization()), mask=mask
    )
    assert_same(got, expected)
    assert np.all(np.asarray(got)[~mask] == 0)


@EACH
def test_masks_come_from_the_layer_before_and_pass_on(name):
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    embedding = keras.layers.Embedding(4, 3, mask_zero=True)
    y = make(name, return_sequences=True)(embedding(ids))
    np.testing.assert_array_equal(y._keras_mask, ids != 0)
    layer, vectors = make(name), embedding(ids)
    with bnn.Draw(1, Reparameterization()):
        last = layer(vectors)
        short = layer(vectors[1:, :1])
    np.testing.assert_allclose(last[1], short[0], rtol=1e-5, atol=1e-6)


@EACH
def test_stateful_layers_go_on_from_the_last_batch(name, x):
    layer, plain = make(name, stateful=True), getattr(keras.layers, name)(2, stateful=True)
    for one in (layer, plain):
        one(x)
        one.reset_states()
    with bnn.Draw(0, Reparameterization()) as draw:
        first, second = layer(x), layer(x)
        weights = [draw.weights[site] for site in layer.cell.sites]
    for variable, value in zip(plain.trainable_variables, weights, strict=True):
        variable.assign(value)
    assert_same([first, second], [plain(x), plain(x)])
    assert np.abs(first - second).max() > 1e-3


def test_a_stateful_layer_is_built_in_a_draw_in_a_function(x):
    layer = make("LSTM", stateful=True)

    @tf.function
    def f(x):
        with bnn.Draw(0, Reparameterization()):
            return layer(x)

    assert f(x).shape == (4, 2)


@EACH
def test_initial_state(name, x):
    states = [tf.ones((4, 2))] * (2 if name == "LSTM" else 1)
    draw = bnn.Draw(0, Flipout())
    layer = make(name, return_state=True)
    layer(x)
    with draw:
        from_ones = layer(x, initial_state=states)
        from_zeros = layer(x)
    assert np.abs(from_ones[0] - from_zeros[0]).max() > 1e-3


@pytest.mark.parametrize("arguments", [{}, {"reset_after": False}])
@EACH
def test_dropout_is_that_of_keras(name, arguments, x):
    if arguments and name != "GRU":
        pytest.skip("the argument is GRU's")
    options = {"dropout": 0.4, "recurrent_dropout": 0.3, "seed": 5, **arguments}
    for chosen in ("dropout", "recurrent_dropout", ""):
        kept = {k: v for k, v in options.items() if k != chosen}
        got, expected = pair(
            lambda layer, kept=kept: layer(name, **kept), x, bnn.Draw(0, Mean()), training=True
        )
        assert_same(got, expected)


@EACH
@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
def test_bidirectional(name, merge_mode, x):
    def build(layer):
        inner = layer(name, return_sequences=True)
        return keras.layers.Bidirectional(inner, merge_mode=merge_mode)

    got, expected = pair(build, x, bnn.Draw(0, Reparameterization()))
    assert_same(got, expected)


def test_stacked_cells(x):
    def build(layer):
        return keras.layers.RNN([layer("LSTMCell"), layer("GRUCell"), layer("SimpleRNNCell")])

    got, expected = pair(build, x, bnn.Draw(0, Reparameterization()))
    assert_same(got, expected)


def test_time_distributed(x):
    def build(layer):
        return keras.layers.TimeDistributed(layer("Dense"))

    got, expected = pair(build, x, bnn.Draw(0, Reparameterization()))
    assert_same(got, expected)


@EACH
@pytest.mark.parametrize("estimator", [Reparameterization(), Flipout()])
def test_unknown_batch_size(name, estimator, x):
    cell = keras.layers.RNN(make(f"{name}Cell"), return_sequences=True)
    for layer in (make(name), cell):
        layer(x)

        @tf.function(input_signature=[tf.TensorSpec((None, 5, 3))])
        def drawn(x, layer=layer):
            with bnn.Draw(2, estimator):
                return layer(x)

        with bnn.Draw(2, estimator):
            expected = layer(x)
        assert_same(drawn(x), expected)


@EACH
def test_estimators_that_sample_outputs_are_refused_by_the_name_of_the_site(name, x):
    layer = make(name)
    layer(x)
    message = (
        rf"site '{name.lower().replace('simplernn', 'simple_rnn')}_cell/recurrent' serves every "
        "step of a scan, but LocalReparameterization samples outputs, not weights; use "
        "Reparameterization or Flipout"
    )
    with bnn.Draw(0, LocalReparameterization()), pytest.raises(ValueError, match=message):
        layer(x)
    with (
        bnn.Draw(0, LocalReparameterization()),
        pytest.raises(ValueError, match=r"cell_?\w*/recurrent' serves every step"),
    ):
        keras.layers.RNN(make(f"{name}Cell", name="my_cell"))(x)
    rules = {f"{name.lower()}cell/*": Reparameterization()}
    with bnn.Draw(0, BySite(rules, default=LocalReparameterization())):
        assert layer(x).shape == (4, 2)


def test_flipout_has_one_perturbation_for_all_steps_and_signs_for_examples(x):
    layer = make("SimpleRNN", scale=1.0, activation="linear", return_sequences=True)
    same = tf.repeat(x[:1, :1], 4, axis=0)
    same = tf.concat([same, tf.zeros((4, 4, 3))], axis=1)
    layer(same)
    with bnn.Draw(0, Flipout()):
        first, again = layer(same), layer(same)
    assert_same(first, again)
    assert np.abs(first[0] - first[1]).max() > 1e-2


class RedrawnCell(bnn.layers.SimpleRNNCell):
    """The defect that the oracle is for: other recurrent weights at every step."""

    steps = 0

    def call(self, sequence, states, training=False):
        RedrawnCell.steps += 1
        with bnn.Draw(RedrawnCell.steps, Reparameterization()):
            return super().call(sequence, states, training)


def test_weights_redrawn_at_every_step_are_caught(x):
    distances = {}
    for kind in (bnn.layers.SimpleRNNCell, RedrawnCell):
        layer = keras.layers.RNN(kind(2, **families(kind, MeanFieldNormal(0.3))), unroll=True)
        plain = keras.layers.RNN(keras.layers.SimpleRNNCell(2), unroll=True)
        layer(x)
        plain(x)
        with bnn.Draw(0, Reparameterization()) as draw:
            y = layer(x)
            copy_into(plain, layer, draw)
        distances[kind] = np.abs(y - plain(x)).max()
    assert distances[bnn.layers.SimpleRNNCell] < 1e-4
    assert distances[RedrawnCell] > 0.05


def test_cudnn_is_refused():
    for name in ("LSTM", "GRU"):
        with pytest.raises(ValueError, match=r"use_cudnn must be 'auto' or False .*, got True"):
            make(name, use_cudnn=True)


def test_a_misspelt_site_is_answered_with_those_that_there_are():
    with pytest.raises(
        ValueError,
        match=r"has no argument 'recurrent_kernel_posterior'; those of its random tensors are "
        r"kernel_posterior, .*recurrent_posterior",
    ):
        make("LSTM", recurrent_kernel_posterior=bnn.posteriors.Point())
    with pytest.raises(
        ValueError,
        match=r"layer Dense has no argument 'weight_prior'; those of its random tensors are "
        r"kernel_posterior, kernel_prior, bias_posterior, bias_prior\.",
    ):
        bnn.layers.Dense(2, weight_prior=bnn.priors.Normal())


def test_a_posterior_must_be_one():
    with pytest.raises(ValueError, match="recurrent_posterior must be a bnn posterior object"):
        bnn.layers.LSTM(2, recurrent_posterior=bnn.priors.Normal())


def test_unknown_number_of_features():
    with pytest.raises(ValueError, match=r"last axis of the inputs of cell .* must be known"):
        bnn.layers.LSTMCell(2).build((None, None))


def test_training_outside_of_a_draw_is_an_error(x):
    with pytest.raises(RuntimeError, match=r"training=True outside of a bnn\.Draw"):
        make("GRU")(x, training=True)
