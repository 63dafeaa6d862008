import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from bnn.priors import Normal


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (-1.5, 0.1), (2.0, 30.0)])
def test_density(loc, scale, trainable, rng):
    prior = Normal(loc, scale, trainable)
    prior.build(keras.layers.Layer(), "kernel", (3, 2))
    w = (loc + scale * rng.normal(size=(3, 2))).astype(np.float32)
    log_prob = prior.distribution().log_prob(w)
    assert log_prob.shape == (3, 2)
    np.testing.assert_allclose(log_prob, scipy.stats.norm.logpdf(w, loc, scale), rtol=1e-4)


def test_fixed_prior_has_no_variables():
    layer = keras.layers.Layer()
    Normal().build(layer, "kernel", (3,))
    assert layer.variables == []


def test_learned_scale_is_one_float32_variable_that_gets_a_gradient():
    layer = keras.layers.Layer(dtype="mixed_float16")
    prior = Normal(scale=0.5, trainable=True)
    prior.build(layer, "kernel", (3,))
    [variable] = layer.trainable_variables
    assert variable.name == "kernel_prior_log_scale"
    assert variable.dtype == "float32"
    assert variable.shape == ()
    w = tf.constant([0.3, -1.0, 2.0])
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(prior.distribution().log_prob(w))
    # d/d ln s of sum(-ln s - w²/(2 s²)) = sum(w²)/s² - D
    expected = np.sum(np.square(w)) / 0.25 - 3
    assert float(tape.gradient(log_prob, variable.value)) == pytest.approx(expected, rel=1e-5)


def test_learned_scale_before_build():
    with pytest.raises(ValueError, match=r"Normal\(trainable=True\) has no variable yet: build"):
        Normal(trainable=True).distribution()


def test_clone_and_serialization():
    prior = Normal(1.0, 2.0, trainable=True)
    prior.build(keras.layers.Layer(), "kernel", (3,))
    config = keras.saving.serialize_keras_object(prior)
    for copy in (prior.clone(), keras.saving.deserialize_keras_object(config)):
        assert copy.get_config() == {"loc": 1.0, "scale": 2.0, "trainable": True}
        with pytest.raises(ValueError, match="no variable yet"):  # a description of its own
            copy.distribution()


@pytest.mark.parametrize("scale", [0, -1.0, float("inf"), float("nan")])
def test_unusable_scale(scale):
    with pytest.raises(ValueError, match="scale must be a positive finite number, got"):
        Normal(scale=scale)


def test_variables_are_those_that_are_learned():
    layer = keras.layers.Layer()
    fixed, learned = Normal(), Normal(trainable=True)
    for prior in (fixed, learned):
        prior.build(layer, "kernel", (3,))
    assert fixed.variables == []
    assert learned.variables == layer.trainable_variables


def test_log_prob_is_the_distributions(rng):
    prior, w = Normal(0.5, 2.0), rng.normal(size=(3, 2)).astype(np.float32)
    np.testing.assert_array_equal(prior.log_prob(w), prior.distribution().log_prob(w))
