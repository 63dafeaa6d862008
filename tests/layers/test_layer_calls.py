"""Where and how a layer may be called: models of every kind, modes, precisions, draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Flipout, LocalReparameterization, Mean, Reparameterization
from bnn.noise import Noise
from bnn.posteriors import MeanFieldNormal, Point

PATHWISE = [Reparameterization(), LocalReparameterization(), Flipout()]


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(5, 3)), tf.float32)


class Subclassed(keras.Model):
    def __init__(self, layers):
        super().__init__()
        self.hidden, self.head = layers

    def call(self, inputs):
        return self.head(keras.activations.relu(self.hidden(inputs)))


def sequential(layers):
    return keras.Sequential([keras.Input((3,)), layers[0], keras.layers.ReLU(), layers[1]])


def functional(layers):
    inputs = keras.Input((3,))
    return keras.Model(inputs, layers[1](keras.activations.relu(layers[0](inputs))))


def functional_around_subclassed(layers):
    inputs = keras.Input((3,))
    return keras.Model(inputs, Subclassed(layers)(inputs))


# --- Models of every kind -------------------------------------------------------------------------


@pytest.mark.parametrize("make", [sequential, functional, Subclassed, functional_around_subclassed])
def test_models_of_every_kind(make, x):
    layers = [bnn.layers.Dense(4, kernel_posterior=MeanFieldNormal(0.5)), bnn.layers.Dense(2)]
    model = make(layers)
    plug_in = model(x)
    assert list(bnn.ledger(model)) == [
        "0_dense/kernel",
        "0_dense/bias",
        "1_dense/kernel",
        "1_dense/bias",
    ]
    assert len(model.trainable_variables) == 8
    with bnn.Draw(3, Reparameterization()):
        y = model(x)
    w = [s.posterior.sample(Noise(3, site=i)) for i, s in enumerate(bnn.sites(model).values())]
    expected = tf.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    w = [site.posterior.mean for site in bnn.sites(model).values()]
    expected = tf.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]
    np.testing.assert_allclose(plug_in, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_a_model_may_be_built_by_its_first_call_in_a_draw(wrap, x):
    model = keras.Sequential([keras.layers.ReLU(), bnn.layers.Dense(2, use_bias=False)])

    @wrap
    def call(x):
        with bnn.Draw(3, Reparameterization()):
            return model(x)

    first = call(x)
    np.testing.assert_allclose(call(x), first, rtol=1e-5, atol=1e-6)
    assert len(bnn.sites(model)) == 1


def test_beside_other_keras_layers():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            bnn.layers.Conv2D(3, 3),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
            bnn.layers.Dense(2),
        ]
    )
    with bnn.Draw(0, Flipout()):
        assert model(tf.ones((2, 8, 8, 1)), training=True).shape == (2, 2)
    assert list(bnn.sites(model)) == [
        "0_conv2d/kernel",
        "0_conv2d/bias",
        "1_dense/kernel",
        "1_dense/bias",
    ]


@pytest.mark.parametrize("estimator", [Mean(), *PATHWISE])
@pytest.mark.parametrize("shape", [(2, 3), (2, 6, 3), (2, 4, 6, 3)])
def test_dense_on_inputs_with_positions(estimator, shape):
    layer = bnn.layers.Dense(4)
    with bnn.Draw(0, estimator):
        assert layer(tf.ones(shape)).shape == (*shape[:-1], 4)


def test_one_layer_on_inputs_of_two_ranks_has_one_kernel():
    layer = bnn.layers.Dense(4)
    with bnn.Draw(0, Reparameterization()):
        flat, deep = layer(tf.ones((2, 3))), layer(tf.ones((2, 5, 3)))
    np.testing.assert_allclose(deep[:, 0], flat, rtol=1e-5)


@pytest.mark.parametrize("estimator", PATHWISE)
def test_unknown_batch_size(estimator, x):
    layer = bnn.layers.Dense(2)
    layer.build((None, 3))

    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def call(x):
        with bnn.Draw(0, estimator):
            return layer(x)

    with bnn.Draw(0, estimator):
        expected = layer(x)
    np.testing.assert_allclose(call(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: bnn.layers.Dense(2, use_bias=False), (4, 3)),
        (lambda: bnn.layers.Conv1D(2, 3, padding="causal", use_bias=False), (2, 6, 3)),
        (lambda: bnn.layers.Conv2D(4, 2, groups=2, use_bias=False), (2, 4, 5, 4)),
    ],
    ids=["dense", "conv1d causal", "conv2d groups"],
)
def test_value_and_gradient_in_every_mode(layer, shape, rng, modes):
    layer = layer()
    layer.build((None, *shape[1:]))
    variables = [v.value for v in layer.trainable_variables]

    def run(x):
        with tf.GradientTape() as tape, bnn.Draw(0, Reparameterization()):
            y = layer(x)
            loss = tf.reduce_sum(tf.square(y))
        return [y, *tape.gradient(loss, variables)]

    eager, *compiled = modes(run, tf.constant(rng.normal(size=shape), tf.float32)).values()
    for results in compiled:
        for result, expected in zip(results, eager, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)


# --- Mixed precision -----------------------------------------------------------------------------

POLICIES = pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
LAYERS = pytest.mark.parametrize(
    ("kind", "size", "shape"),
    [("Dense", {"units": 4}, (6, 3)), ("Conv2D", {"filters": 4, "kernel_size": 2}, (2, 4, 5, 3))],
)


@POLICIES
@LAYERS
@pytest.mark.parametrize("estimator", [Mean(), *PATHWISE])
def test_mixed_precision_rounds_the_same_function(kind, size, shape, policy, estimator, rng):
    x = tf.constant(rng.normal(size=shape), tf.float32)
    posterior = MeanFieldNormal(0.3)
    outputs = []
    for dtype in (policy, "float32"):
        keras.utils.set_random_seed(0)
        layer = getattr(bnn.layers, kind)(**size, dtype=dtype, kernel_posterior=posterior)
        layer.build((None, *shape[1:]))
        with bnn.Draw(0, estimator):
            outputs.append(layer(x))
        assert outputs[-1].dtype == layer.compute_dtype
        assert {v.dtype for v in layer.variables} == {"float32"}
        assert layer.kernel_posterior.scale.dtype == tf.float32
        for value in bnn.ledger(layer).values():
            assert value.dtype == tf.float32
    mixed, full = (tf.cast(y, tf.float32) for y in outputs)
    np.testing.assert_allclose(mixed, full, rtol=0.1, atol=0.1)
    assert not np.array_equal(mixed, full)


@POLICIES
def test_mixed_precision_keeps_noise_and_ledger(policy):
    """The weight sample is that of float32, rounded once; the KL is the same number."""
    layers = []
    for dtype in (policy, "float32"):
        keras.utils.set_random_seed(0)
        layers.append(bnn.layers.Dense(4, dtype=dtype, kernel_posterior=MeanFieldNormal(0.3)))
        layers[-1].build((None, 3))
    mixed, full = layers
    for ours, theirs in zip(bnn.ledger(mixed).values(), bnn.ledger(full).values(), strict=True):
        assert float(ours) == float(theirs)
    with bnn.Draw(0, Reparameterization()):
        y = mixed(tf.eye(3, dtype=mixed.compute_dtype)) - mixed(tf.zeros((1, 3)))
    w = full.kernel_posterior.sample(Noise(0))
    np.testing.assert_allclose(tf.cast(y, tf.float32), w, rtol=0.02, atol=0.02)


def test_small_scales_do_not_underflow_in_float16():
    layer = bnn.layers.Dense(
        1,
        dtype="mixed_float16",
        use_bias=False,
        kernel_initializer="zeros",
        kernel_posterior=MeanFieldNormal(1e-4),  # its square is no float16
    )
    with bnn.Draw(0, LocalReparameterization()):
        y = layer(tf.ones((64, 4)))
    assert 1e-4 < np.std(np.float32(y)) < 4e-4  # in float16 the squares underflow


@POLICIES
def test_gradients_under_mixed_precision_are_float32(policy, x):
    layer = bnn.layers.Dense(2, dtype=policy)
    layer.build((None, 3))
    variables = [v.value for v in layer.trainable_variables]
    with tf.GradientTape() as tape, bnn.Draw(0, LocalReparameterization()):
        loss = tf.reduce_sum(tf.cast(layer(x), tf.float32))
    for gradient in tape.gradient(loss, variables):
        assert gradient.dtype == tf.float32
        assert np.all(np.isfinite(gradient))


def test_double_precision(x):
    layer = bnn.layers.Dense(2, dtype="float64")
    with bnn.Draw(0, Flipout()):
        assert layer(x).dtype == tf.float64


# --- Outside of a draw -------------------------------------------------------------------------


def test_training_outside_of_a_draw_is_an_error(x):
    layer = bnn.layers.Dense(2, name="head")
    with pytest.raises(
        RuntimeError,
        match=r"layer 'head' was called with training=True outside of a bnn\.Draw.*NegativeELBO",
    ):
        layer(x, training=True)
    layer(x, training=False)


def test_fit_is_an_error(x):
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match=r"model\.fit does this"):
        model.fit(x, tf.zeros((5, 1)), verbose=0)


def test_keras_predict_and_evaluate_are_the_plug_in_prediction(x):
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(1)])
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-5, atol=1e-6)
    expected = float(np.mean(np.square(model(x))))
    assert model.evaluate(x, tf.zeros((5, 1)), verbose=0) == pytest.approx(expected, rel=1e-4)


def test_summary_counts_the_parameters():
    model = keras.Sequential([keras.Input((3,)), bnn.layers.Dense(4), bnn.layers.Dense(2)])
    lines = []
    model.summary(print_fn=lines.append)
    assert "Total params: 52" in "\n".join(lines)  # 2 · (3 · 4 + 4 + 4 · 2 + 2)


def test_a_frozen_layer_has_nothing_to_train():
    layer = bnn.layers.Dense(2, kernel_prior=bnn.priors.Normal(trainable=True))
    layer.build((None, 3))
    assert len(layer.trainable_variables) == 5
    layer.trainable = False
    assert layer.trainable_variables == []


# --- Posteriors and priors of a layer ------------------------------------------------------------


def test_one_description_serves_many_layers(x):
    posterior, prior = MeanFieldNormal(0.5), bnn.priors.Normal(trainable=True)
    one, other = (
        bnn.layers.Dense(2, kernel_posterior=posterior, kernel_prior=prior) for _ in range(2)
    )
    one(x)
    other(x)
    assert one.kernel_posterior is not other.kernel_posterior
    one.kernel_prior._log_scale.assign(1.0)
    assert float(other.kernel_prior._log_scale) == 0.0
    with pytest.raises(ValueError, match="has no variables yet"):
        _ = posterior.mean


def test_point_posteriors_are_the_deterministic_layer_in_every_draw(x):
    layer = bnn.layers.Dense(2, kernel_posterior=Point(), bias_posterior=Point())
    expected = layer(x)
    for estimator in [Mean(), *PATHWISE, bnn.estimators.ScoreFunction()]:
        with bnn.Draw(0, estimator) as draw:
            np.testing.assert_array_equal(layer(x), expected)
        assert float(draw.score) == 0
    assert [v.name for v in layer.variables] == ["kernel_loc", "bias_loc"]


def test_sites_before_and_after_build():
    layer = bnn.layers.Conv2D(4, 2, name="features")
    assert layer.sites == ()
    layer.build((None, 5, 5, 3))
    kernel, bias = layer.sites
    assert (kernel.name, bias.name) == ("kernel", "bias")
    assert kernel.labels == ("conv2d/kernel", "@features/kernel")
    assert kernel.posterior.shape == (2, 2, 3, 4)
    assert bias.posterior.shape == (4,)
    unbiased = bnn.layers.Dense(2, use_bias=False)
    unbiased.build((None, 3))
    assert [site.name for site in unbiased.sites] == ["kernel"]
