"""Layers and sites in branches, maps and scans: the weights of the draw around them."""

import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Flipout, LocalReparameterization, Reparameterization, ScoreFunction
from bnn.noise import Noise
from bnn.posteriors import MeanFieldNormal

WIDE = {"kernel_posterior": MeanFieldNormal(0.5), "use_bias": False}
ESTIMATORS = pytest.mark.parametrize(
    "estimator",
    [Reparameterization(), Flipout(), ScoreFunction()],
    ids=lambda estimator: type(estimator).__name__,
)


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(5, 4, 3)), tf.float32)


@ESTIMATORS
def test_a_layer_in_a_branch(estimator, x, modes):
    layer = bnn.layers.Dense(2, **WIDE)
    layer.build((None, 3))

    def run(x, flag):
        with bnn.Draw(4, estimator) as draw:
            outputs = tf.cond(flag, lambda: layer(x), lambda: layer(-2 * x))
        return outputs, draw.score

    for flag, factor in ((True, 1.0), (False, -2.0)):
        with bnn.Draw(4, estimator) as draw:
            expected = factor * layer(x)
        for outputs, score in modes(run, x, tf.constant(flag)).values():
            np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
            assert float(score) == pytest.approx(float(draw.score), rel=1e-5)


@ESTIMATORS
def test_realised_before_a_scan(estimator, x, modes):
    layer = bnn.layers.Dense(3, **WIDE)
    layer.build((None, 3))

    def run(x):
        with bnn.Draw(4, estimator):
            apply = layer.kernel.realise(x)
            return tf.scan(lambda state, _: tf.tanh(apply(state)), tf.range(3), x[:, 0])

    with bnn.Draw(4, estimator):
        state = x[:, 0]
        for _ in range(3):
            state = tf.tanh(layer(state))
    for outputs in modes(run, x).values():
        np.testing.assert_allclose(outputs[-1], state, rtol=1e-3, atol=1e-4)


def test_realised_outside_of_any_draw_is_the_mean(x):
    layer = bnn.layers.Dense(3, **WIDE)
    layer.build((None, 3))
    np.testing.assert_array_equal(layer.kernel.realise(x)(x), layer(x))


def test_realise_refuses_an_estimator_without_weights(x):
    layer = bnn.layers.Dense(3, name="cell", **WIDE)
    layer.build((None, 3))
    message = "site 'cell/kernel' serves every step of a scan, but LocalReparameterization samples"
    with bnn.Draw(0, LocalReparameterization()), pytest.raises(ValueError, match=message):
        layer.kernel.realise(x)


def test_a_loop_with_an_unknown_batch_size(x):
    """Signs per example need its size, and what is made in the loop cannot leave it."""
    layer = bnn.layers.Dense(3, name="cell", **WIDE)
    layer.build((None, 3))
    signature = [tf.TensorSpec([None, 3])]

    @tf.function(input_signature=signature)
    def run(x):
        with bnn.Draw(0, Flipout()):
            return tf.scan(lambda state, _: layer(state), tf.range(2), x)

    message = r"site 'cell/kernel' is called in a loop with an unknown batch size; call .*realise"
    with pytest.raises(ValueError, match=message):
        run(x[:, 0])

    @tf.function(input_signature=signature)
    def realised(x):
        with bnn.Draw(0, Flipout()):
            apply = layer.kernel.realise(x)
            return tf.scan(lambda state, _: apply(state), tf.range(2), x)

    with bnn.Draw(0, Flipout()):
        expected = layer(layer(x[:, 0]))
    np.testing.assert_allclose(realised(x[:, 0])[-1], expected, rtol=1e-4, atol=1e-5)


def test_one_of_the_numbers_of_a_map_is_no_draw_of_its_own(x):
    """A layer in tf.map_fn has the weights of the draw around it, at every element."""
    layer = bnn.layers.Dense(2, **WIDE)
    layer.build((None, 3))

    @tf.function
    def run(x):
        with bnn.Draw(0, Reparameterization()):
            return tf.map_fn(layer, tf.stack([x, x]))

    expected = x @ layer.kernel.posterior.sample(Noise(0))
    for outputs in run(x):
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
