"""At the posterior mean every layer is the Keras layer of its name, for every argument of both."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn

LAST, FIRST = "channels_last", "channels_first"

# Layer, arguments, shape of the inputs.
CASES = [
    ("Dense", {"units": 4}, (5, 3)),
    ("Dense", {"units": 4, "activation": "relu"}, (5, 3)),
    ("Dense", {"units": 4, "activation": keras.activations.tanh, "use_bias": False}, (5, 3)),
    ("Dense", {"units": 4, "activation": "softmax"}, (2, 6, 3)),
    ("Dense", {"units": 1}, (2, 3, 4, 5)),
    ("Conv1D", {"filters": 4, "kernel_size": 3}, (2, 8, 3)),
    ("Conv1D", {"filters": 4, "kernel_size": (2,), "strides": 2, "activation": "relu"}, (2, 8, 3)),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 3}, (2, 8, 3)),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal"}, (2, 8, 3)),
    (
        "Conv1D",
        {"filters": 4, "kernel_size": 2, "padding": "causal", "dilation_rate": 3},
        (2, 8, 3),
    ),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "groups": 2}, (2, 8, 6)),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "data_format": FIRST}, (2, 3, 8)),
    ("Conv2D", {"filters": 4, "kernel_size": 3}, (2, 6, 5, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "use_bias": False}, (2, 6, 5, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": (2, 1)}, (2, 7, 5, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "padding": "SAME", "strides": 2}, (2, 7, 5, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "dilation_rate": (2, 3)}, (2, 7, 5, 3)),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "padding": "same", "dilation_rate": 2},
        (2, 7, 5, 3),
    ),
    ("Conv2D", {"filters": 6, "kernel_size": 2, "groups": 3, "activation": "gelu"}, (2, 5, 5, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "data_format": FIRST}, (2, 3, 6, 5)),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "data_format": FIRST, "padding": "same", "strides": 2},
        (2, 3, 7, 5),
    ),
    ("Conv3D", {"filters": 4, "kernel_size": 2}, (2, 4, 5, 3, 2)),
    (
        "Conv3D",
        {"filters": 4, "kernel_size": (1, 2, 3), "padding": "same", "strides": (2, 1, 1)},
        (2, 4, 5, 3, 2),
    ),
    ("Conv3D", {"filters": 4, "kernel_size": 2, "data_format": FIRST}, (2, 2, 4, 5, 3)),
]
EACH = pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    CASES,
    ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(CASES)],
)


def pair(name, arguments, shape, rng):
    """The Bayesian and the Keras layer, with the same weights."""
    bayesian = getattr(bnn.layers, name)(**arguments)
    plain = getattr(keras.layers, name)(**arguments)
    for layer in (bayesian, plain):
        layer.build((None, *shape[1:]))
    weights = [rng.normal(size=w.shape) for w in plain.weights]
    plain.set_weights(weights)
    for site, weight in zip(bayesian.sites, weights, strict=True):
        site.posterior._loc.assign(weight)
    return bayesian, plain


@EACH
def test_same_output_as_keras(name, arguments, shape, rng):
    bayesian, plain = pair(name, arguments, shape, rng)
    x = tf.constant(rng.normal(size=shape), tf.float32)
    expected = plain(x)
    np.testing.assert_allclose(bayesian(x), expected, rtol=1e-4, atol=1e-4)
    with bnn.Draw(0, bnn.estimators.Mean()):
        np.testing.assert_allclose(bayesian(x), expected, rtol=1e-4, atol=1e-4)


@EACH
def test_compute_output_shape(name, arguments, shape, rng):
    bayesian, plain = pair(name, arguments, shape, rng)
    assert bayesian.compute_output_shape(shape) == bayesian(tf.zeros(shape)).shape
    dynamic = (None, *shape[1:])
    expected = plain.compute_output_shape(dynamic)
    assert bayesian.compute_output_shape(dynamic) == tuple(expected)
    assert bayesian(keras.Input(shape[1:])).shape == tuple(expected)


@pytest.mark.parametrize("name", ["Conv1D", "Conv2D", "Conv3D"])
def test_compute_output_shape_of_unknown_sizes(name):
    rank = int(name[4])
    layer = getattr(bnn.layers, name)(4, 3, strides=2)
    assert layer.compute_output_shape((None, *[None] * rank, 3)) == (None, *[None] * rank, 4)


@pytest.mark.parametrize("name", ["Dense", "Conv1D", "Conv2D", "Conv3D"])
def test_every_argument_of_keras_is_taken(name):
    """All but low-rank adaptation and quantization, which rewrite the kernel."""
    left_out = {"self", "kwargs", "lora_rank", "lora_alpha", "quantization_config"}
    arguments = inspect.signature(getattr(keras.layers, name).__init__).parameters
    defaults = {n: p.default for n, p in arguments.items() if n not in left_out}
    required = {"units": 2, "filters": 2, "kernel_size": 2}
    given = {n: required.get(n, d) for n, d in defaults.items()}
    layer = getattr(bnn.layers, name)(**given)
    plain = getattr(keras.layers, name)(**given)
    config = layer.get_config()
    for argument, value in plain.get_config().items():
        if argument not in {"name", *left_out}:
            same = config[argument] == value
            assert same or tuple(np.atleast_1d(config[argument])) == tuple(np.atleast_1d(value))


@pytest.mark.parametrize("name", ["Dense", "Conv2D"])
def test_initializers_are_those_of_the_mean(name):
    """The same seeded initializer gives the weights of the Keras layer."""
    shape = {"Dense": (None, 3), "Conv2D": (None, 6, 5, 3)}[name]
    size = {"Dense": {"units": 4}, "Conv2D": {"filters": 4, "kernel_size": 3}}[name]
    layers = []
    for module in (bnn.layers, keras.layers):
        layer = getattr(module, name)(
            **size,
            kernel_initializer=keras.initializers.HeNormal(seed=1),
            bias_initializer=keras.initializers.Constant(0.25),
        )
        layer.build(shape)
        layers.append(layer)
    bayesian, plain = layers
    np.testing.assert_array_equal(bayesian.kernel_posterior.mean, plain.kernel)
    np.testing.assert_array_equal(bayesian.bias_posterior.mean, plain.bias)


def test_default_initializers_and_sizes_are_those_of_keras():
    layers = []
    for kind in (bnn.layers.Dense, keras.layers.Dense):
        keras.utils.set_random_seed(3)
        layers.append(kind(4))
        layers[-1].build((None, 3))
    bayesian, plain = layers
    np.testing.assert_array_equal(bayesian.kernel_posterior.mean, plain.kernel)
    np.testing.assert_array_equal(bayesian.bias_posterior.mean, np.zeros(4))


def test_regularizers_are_those_of_the_mean(rng):
    arguments = {
        "units": 4,
        "kernel_regularizer": "l1",
        "bias_regularizer": keras.regularizers.L2(0.3),
        "activity_regularizer": keras.regularizers.L2(0.1),
    }
    bayesian, plain = pair("Dense", arguments, (5, 3), rng)
    x = tf.ones((5, 3))
    for layer in (bayesian, plain):
        layer(x)
    assert len(bayesian.losses) == 3
    assert float(sum(bayesian.losses)) == pytest.approx(float(sum(plain.losses)), rel=1e-5)


def test_constraints_are_those_of_the_mean():
    layer = bnn.layers.Dense(2, kernel_constraint="non_neg", bias_constraint="unit_norm")
    layer.build((None, 3))
    assert isinstance(layer.kernel_posterior._loc.constraint, keras.constraints.NonNeg)
    assert isinstance(layer.bias_posterior._loc.constraint, keras.constraints.UnitNorm)
    optimizer = keras.optimizers.SGD(10.0)
    variables = layer.trainable_variables
    optimizer.apply_gradients([(tf.ones(v.shape), v) for v in variables])
    assert np.all(layer.kernel_posterior.mean >= 0)
    assert np.linalg.norm(layer.bias_posterior.mean) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
@pytest.mark.parametrize("name", ["Dense", "Conv2D"])
def test_integer_inputs(name, dtype, rng):
    """Weights cast to the integers of an image would all be zero."""
    shape, size = {
        "Dense": ((4, 3), {"units": 2}),
        "Conv2D": ((2, 5, 5, 1), {"filters": 2, "kernel_size": 3}),
    }[name]
    bayesian, plain = pair(name, size, shape, rng)
    x = rng.integers(0, 255, shape).astype(dtype)
    expected = plain(x.astype(np.float32))
    np.testing.assert_allclose(bayesian(x), expected, rtol=1e-4, atol=1e-2)
    with bnn.Draw(0, bnn.estimators.Flipout()):
        assert bayesian(x).dtype == tf.float32


def test_dense_passes_masks_on():
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    model = keras.Sequential([keras.Input((4,)), embedding, bnn.layers.Dense(2)])
    y = model(np.array([[1, 0, 2, 0]]))
    np.testing.assert_array_equal(y._keras_mask, [[True, False, True, False]])


def test_gradients_of_channels_first_are_those_of_channels_last(rng):
    x = tf.constant(rng.normal(size=(2, 6, 5, 3)), tf.float32)
    gradients = []
    for data_format in (LAST, FIRST):
        keras.utils.set_random_seed(1)
        layer = bnn.layers.Conv2D(4, 3, padding="same", strides=2, data_format=data_format)
        inputs = x if data_format == LAST else tf.transpose(x, [0, 3, 1, 2])
        layer.build(inputs.shape)
        with tf.GradientTape() as tape, bnn.Draw(0, bnn.estimators.Reparameterization()):
            loss = tf.reduce_sum(tf.sin(layer(inputs)))
        gradients.append(tape.gradient(loss, [v.value for v in layer.trainable_variables]))
    for last, first in zip(*gradients, strict=True):
        np.testing.assert_allclose(first, last, rtol=1e-3, atol=1e-4)


# --- Errors --------------------------------------------------------------------------------------

CONV2D = {"filters": 4, "kernel_size": 3}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Dense", {"units": 0}, "units must be a positive integer, got 0"),
        ("Dense", {"units": 2.0}, r"units must be a positive integer, got 2\.0"),
        ("Conv2D", {**CONV2D, "filters": -1}, "filters must be a positive integer, got -1"),
        ("Conv2D", {**CONV2D, "groups": 0}, "groups must be a positive integer, got 0"),
        ("Conv2D", {**CONV2D, "groups": 3}, "divisible by groups, got filters=4, groups=3"),
        (
            "Conv2D",
            {**CONV2D, "kernel_size": (1, 2, 3)},
            r"kernel_size must be an int or 2 ints in Conv2D, got \(1, 2, 3\)",
        ),
        ("Conv2D", {**CONV2D, "kernel_size": (1, 0)}, "kernel_size must be a positive integer"),
        ("Conv1D", {**CONV2D, "strides": 0}, "strides must be a positive integer, got 0"),
        (
            "Conv2D",
            {**CONV2D, "strides": 2, "dilation_rate": (1, 2)},
            r"cannot both exceed 1, got strides=\(2, 2\), dilation_rate=\(1, 2\)",
        ),
        ("Conv2D", {**CONV2D, "padding": "causal"}, r"one of \('valid', 'same'\), got 'causal'"),
        ("Conv1D", {**CONV2D, "padding": "full"}, "'causal'.*, got 'full'"),
        ("Conv2D", {**CONV2D, "data_format": "NHWC"}, "data_format must be .*, got 'NHWC'"),
        (
            "Conv1D",
            {**CONV2D, "padding": "causal", "data_format": FIRST},
            r"padding='causal' needs data_format='channels_last'.*Permute\(\(2, 1\)\)",
        ),
    ],
)
def test_unusable_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(bnn.layers, name)(**arguments)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            bnn.layers.Dense(2),
            (None, None),
            r"last axis .* must be known, got shape .*keras\.Input",
        ),
        (bnn.layers.Conv2D(4, 3), (None, 6, 6, None), "input channels must be known and divisible"),
        (bnn.layers.Conv2D(4, 3, groups=2), (None, 6, 6, 3), "divisible by groups=2, got 3 from"),
        (bnn.layers.Conv2D(4, 7), (None, 6, 6, 3), r"window .*\(7, 7\).* does not fit .*'same'"),
        (bnn.layers.Conv1D(4, 3, dilation_rate=4), (None, 8, 3), "does not fit into inputs"),
    ],
)
def test_unusable_input_shapes(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.build(shape)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (bnn.layers.Dense(2), [(4, 3), (4, 5)]),
        (bnn.layers.Conv2D(4, 3), [(2, 6, 6, 3), (2, 6, 6, 4)]),
        (bnn.layers.Conv2D(4, 3), [(2, 6, 3)]),
    ],
)
def test_inputs_that_do_not_fit_the_layer(layer, shapes):
    for shape in shapes[:-1]:
        layer(tf.zeros(shape))
    with pytest.raises(ValueError, match="incompatible with"):
        layer(tf.zeros(shapes[-1]))


@pytest.mark.parametrize("part", ["posterior", "prior"])
@pytest.mark.parametrize("given", ["normal", bnn.posteriors.MeanFieldNormal, 1.0])
def test_posterior_or_prior_that_is_none(part, given):
    with pytest.raises(
        ValueError, match=rf"kernel_{part} must be a bnn {part} object or None, got .*example bnn"
    ):
        bnn.layers.Dense(2, **{f"kernel_{part}": given})


def test_a_posterior_without_its_parentheses_is_told_so():
    remedy = r"example bnn\.posteriors\.FullCovarianceNormal\(\), with the parentheses"
    with pytest.raises(ValueError, match=remedy):
        bnn.layers.Dense(2, bias_posterior=bnn.posteriors.FullCovarianceNormal)


def test_a_prior_is_no_posterior():
    with pytest.raises(ValueError, match=r"example bnn\.posteriors\.MeanFieldNormal\(\)"):
        bnn.layers.Dense(2, bias_posterior=bnn.priors.Normal())
