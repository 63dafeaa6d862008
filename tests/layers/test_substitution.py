"""The substitution oracle: a layer in a draw is its Keras namesake with the weights of the draw."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from descriptors import DESCRIPTORS, FIRSTS
from oracle import assert_same, bayesian, drawn_weights, families, namesake

import bnn
from bnn.estimators import Mean, Reparameterization
from bnn.posteriors import MeanFieldNormal, Point

EACH = pytest.mark.parametrize("descriptor", DESCRIPTORS.values(), ids=DESCRIPTORS)
EACH_LAYER = pytest.mark.parametrize("descriptor", FIRSTS.values(), ids=FIRSTS)


def test_no_layer_is_missing():
    public = {n for n in bnn.layers.__all__ if isinstance(getattr(bnn.layers, n), type)}
    bases = {"AffineLayer", "BayesianLayer", "Convolution", "Counterpart"}
    own = {"FilterResponseNormalization", "LoRA", "PositionEmbedding"}
    without_namesake = bases | own | {"WeightSpace"}  # the last has that of the layer it wraps
    assert {d.layer for d in DESCRIPTORS.values()} == public - without_namesake
    counterparts = {c.layer.__name__ for c in bnn.layers.COUNTERPARTS.values()}
    assert counterparts == public - without_namesake


@EACH
def test_a_draw_is_the_namesake_with_its_weights(descriptor, mode):
    layer = bayesian(descriptor)
    x = tf.constant(descriptor.inputs())

    @mode
    def drawn(x):
        with bnn.Draw(3, Reparameterization(), step=1) as draw:
            y = descriptor.apply(layer, x)
        return y, drawn_weights(layer, draw)

    y, weights = drawn(x)
    means = [site.posterior.mean for site in bnn.sites(layer).values()]
    assert all(np.abs(w - m).max() > 0.02 for w, m in zip(weights, means, strict=True))
    assert_same(y, descriptor.apply(namesake(descriptor, layer, weights), x))


@EACH
def test_outside_of_a_draw_it_is_the_namesake_at_the_mean(descriptor):
    layer, x = bayesian(descriptor), descriptor.inputs()
    means = [site.posterior.mean for site in bnn.sites(layer).values()]
    expected = descriptor.apply(namesake(descriptor, layer, means), x)
    assert_same(descriptor.apply(layer, x), expected)
    with bnn.Draw(0, Mean()):
        assert_same(descriptor.apply(layer, x), expected)


@EACH
def test_shapes_are_those_of_the_namesake(descriptor):
    shapes = []
    for make in (descriptor.bayesian, descriptor.namesake):
        outputs = descriptor.apply(descriptor.wrapped(make()), descriptor.symbolic())
        shapes.append([tuple(t.shape) for t in tf.nest.flatten(outputs)])
    assert shapes[0] == shapes[1]


@EACH
def test_the_initial_mean_is_that_of_the_namesake(descriptor):
    """Under one global seed; where Keras makes a layer first and uses up its seeds, under seeds."""
    seeded = {}
    if "Attention" in descriptor.layer or "units" in descriptor.arguments:
        seeded["kernel_initializer"] = keras.initializers.GlorotUniform(seed=1)
    if hasattr(descriptor.namesake(), "recurrent_initializer"):
        seeded["recurrent_initializer"] = keras.initializers.Orthogonal(seed=2)
    layers = []
    for make in (descriptor.bayesian, descriptor.namesake):
        keras.utils.set_random_seed(5)
        layers.append(make(**seeded))
        descriptor.apply(descriptor.wrapped(layers[-1]), descriptor.inputs())
    means = [site.posterior.mean for site in bnn.sites(layers[0]).values()]
    assert_same(means, [v.value for v in layers[1].trainable_variables])


@EACH
def test_names_of_sites_are_in_the_order_of_the_namesake(descriptor):
    counterpart = bnn.layers.COUNTERPARTS[getattr(keras.layers, descriptor.layer)]
    layer = descriptor.bayesian()
    descriptor.apply(descriptor.wrapped(layer), descriptor.inputs())
    found = [site.name for site in bnn.sites(layer).values()]
    if "Attention" in descriptor.layer:
        found = [site.label for site in bnn.sites(layer).values()]
    assert found == [name for name in counterpart.sites if name in found]
    plain = descriptor.namesake()
    descriptor.apply(descriptor.wrapped(plain), descriptor.inputs())
    shapes = [site.posterior.shape for site in bnn.sites(layer).values()]
    assert shapes == [tuple(v.shape) for v in plain.trainable_variables]


@EACH
def test_the_configuration_of_the_namesake_makes_the_layer(descriptor):
    plain = descriptor.namesake(name="given", dtype="float32")
    counterpart = bnn.layers.COUNTERPARTS[type(plain)]
    layer = counterpart.layer(**counterpart.config(plain.get_config()))
    config, own = plain.get_config(), layer.get_config()
    for name, value in config.items():
        if name in own and name not in {"dtype", "output_shape"}:
            same = own[name] == value
            assert same or tuple(np.atleast_1d(own[name])) == tuple(np.atleast_1d(value)), name
    left_out = {"lora_rank", "lora_alpha", "quantization_config", "gptq_unpacked_column_size"}
    assert set(config) - set(own) <= {*left_out, "rms_scaling"}


@EACH
def test_clone(descriptor):
    kind = getattr(bnn.layers, descriptor.layer)
    layer = descriptor.bayesian(**families(kind, MeanFieldNormal(0.7)), name="original")
    other = type(layer).from_config(layer.get_config())
    assert other.get_config() == layer.get_config()
    descriptor.apply(descriptor.wrapped(other), descriptor.inputs())
    scales = {site.posterior.initial_scale for site in bnn.sites(other).values()}
    assert scales == {0.7}


@EACH_LAYER
@pytest.mark.parametrize("estimator", [Reparameterization(), bnn.estimators.Flipout()])
def test_mixed_precision(descriptor, estimator):
    layer = bayesian(descriptor, scale=0.05, dtype="mixed_float16")
    x = descriptor.inputs()
    reference = bayesian(descriptor, scale=0.05)
    for variable, value in zip(reference.variables, layer.variables, strict=True):
        variable.assign(value)
    assert all(v.dtype in ("float32", "uint32", "int64") for v in layer.variables)
    outputs = []
    for one in (layer, reference):
        with bnn.Draw(0, estimator):
            outputs.append(tf.nest.flatten(descriptor.apply(one, x)))
    for low, high in zip(*outputs, strict=True):
        assert low.dtype == tf.float16
        np.testing.assert_allclose(tf.cast(low, tf.float32), high, rtol=0.05, atol=0.03)


@EACH_LAYER
def test_point_posteriors_are_deterministic(descriptor):
    kind = getattr(bnn.layers, descriptor.layer)
    layer = bayesian(descriptor, **families(kind, Point()))
    x = descriptor.inputs()
    expected = descriptor.apply(layer, x)
    for estimator in (Reparameterization(), bnn.estimators.Flipout()):
        with bnn.Draw(0, estimator):
            assert_same(descriptor.apply(layer, x), expected)


@EACH_LAYER
def test_gradients_reach_every_variable(descriptor):
    layer = bayesian(descriptor)
    x = descriptor.inputs()
    for estimator in (Reparameterization(), bnn.estimators.Flipout()):
        with tf.GradientTape() as tape, bnn.Draw(0, estimator):
            outputs = tf.nest.flatten(descriptor.apply(layer, x))
            loss = tf.add_n([tf.reduce_sum(tf.square(y) * tf.sin(y + 1)) for y in outputs])
        gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
        for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
            assert gradient is not None, variable.path
