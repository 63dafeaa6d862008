"""Propagated means and variances against 10⁶ networks drawn by NumPy, and against quadrature."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import quad
from scipy.special import erf, expit

import bnn
from bnn.predictive import Moments, moments, propagate, propagate_covariance
from bnn.predictive.activations import moments_of_activation
from bnn.predictive.paths import along
from bnn.predictive.units import Units
from tests.conftest import Z_LIMIT
from tests.predictive.moment_networks import two_layers, widened

DRAWS = 10**6
NUMPY = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "linear": lambda x: x,
}


K, L = keras.layers, bnn.layers


def _heads(units):
    """After independent units."""
    return L.Dense(2)(K.Flatten()(units))


# Input's shape, and a network from it.
EXACT = {
    "depthwise": ((4, 4, 2), lambda x: L.Conv2D(2, 1)(L.DepthwiseConv2D(3, activation="relu")(x))),
    "depthwise in time": ((5, 2), lambda x: L.DepthwiseConv1D(3, activation="tanh")(x)),
    "separable": ((4, 4, 2), lambda x: L.SeparableConv2D(3, 3)(x)),
    "transposed": ((3, 3, 2), lambda x: L.Conv2DTranspose(2, 2, strides=2, activation="relu")(x)),
    "einsum": ((3, 2), lambda x: L.EinsumDense("abc,cd->abd", (3, 4), "relu", bias_axes="d")(x)),
    "one convolution in time": ((6, 2), lambda x: L.Conv1D(3, 3, padding="causal")(x)),
    "volumes": ((3, 3, 3, 1), lambda x: L.Conv3D(2, 2, activation="relu")(x)),
    "average": ((3,), lambda x: _heads(K.AveragePooling1D(2)(_row(L.Dense(8, "relu")(x))))),
    "largest": ((3,), lambda x: _heads(K.MaxPooling1D(2)(_row(L.Dense(8)(x))))),
    "largest of all": ((3,), lambda x: _heads(K.GlobalMaxPooling1D()(_row(L.Dense(2)(x))))),
    "normalised": ((3,), lambda x: _heads(K.BatchNormalization()(L.Dense(4, "gelu")(x)))),
    "residual": ((3,), lambda x: _heads(K.Add()([x, L.Dense(3, "relu")(x)]))),
    "difference": ((3,), lambda x: _heads(K.Subtract()([L.Dense(3)(x), L.Dense(3, "relu")(x)]))),
    "mean": ((3,), lambda x: _heads(K.Average()([L.Dense(3)(x), L.Dense(3, "tanh")(x)]))),
    "joined": ((3,), lambda x: _heads(K.Concatenate()([L.Dense(3)(x), L.Dense(2, "selu")(x)]))),
    "dropout": ((3,), lambda x: _heads(K.Dropout(0.5)(L.Dense(3, "leaky_relu")(x)))),
    "moved": ((3,), lambda x: _heads(K.ZeroPadding1D(1)(_row(L.Dense(3, "silu")(x))))),
    "activations": ((3,), lambda x: _heads(K.ReLU()(K.Activation("linear")(L.Dense(3)(x))))),
}


def _row(units):
    return K.Reshape((-1, 1))(units)


def drawn(site, rng, count):
    q = site.posterior
    deviation = np.sqrt(q.variance.numpy())
    return q.mean.numpy() + deviation * rng.standard_normal((count, *q.shape), np.float32)


def z_scores(said, samples):
    """(mean, variance) in standard errors of those of samples `[S, …]`."""
    n = len(samples)
    center = samples.mean(axis=0)
    second, fourth = (np.mean((samples - center) ** k, axis=0) for k in (2, 4))
    by_mean = (said.mean.numpy() - center) / np.sqrt(second / n)
    by_variance = (said.variance.numpy() - second) / np.sqrt((fourth - second**2) / n)
    return by_mean, by_variance


def outputs_of(model, x, activation, rng):
    parts = []
    for _ in range(10):
        w = [drawn(site, rng, DRAWS // 10) for site in bnn.sites(model).values()]
        hidden = NUMPY[activation](np.einsum("bi,sio->sbo", x, w[0]) + w[1][:, None])
        parts.append(hidden @ w[2] + w[3][:, None])
    return np.concatenate(parts)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_two_layers_against_a_million_networks(activation, rng):
    x = np.array([[0.5, -1.2]], np.float32)
    model = two_layers(activation, rng)
    samples = outputs_of(model, x, activation, rng)
    said = propagate(model, x)
    for z in z_scores(said, samples):
        assert np.abs(z).max() < Z_LIMIT
    # Planted: without what the weights' spread makes of the inputs' spread, op(v, V).
    hidden = propagate(keras.Sequential(model.layers[:1]), x)
    lost = hidden.variance @ bnn.sites(model)["1_dense/kernel"].posterior.variance
    wrong = Moments(said.mean, said.variance - lost)
    assert np.abs(z_scores(wrong, samples)[1]).max() > Z_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["sigmoid", "gelu", "linear"])
def test_other_activations_against_a_million_networks(activation, rng):
    x = np.array([[0.5, -1.2], [2.0, 0.1]], np.float32)
    model = two_layers(activation, rng)
    samples = outputs_of(model, x, activation, rng)
    for z in z_scores(propagate(model, x), samples):
        assert np.abs(z).max() < Z_LIMIT


@pytest.mark.slow
def test_a_convolution_against_a_million_networks(rng):
    """Every place of the hidden layer is exact by itself; after pooling the mean is."""
    inputs = keras.Input((4, 4, 2))
    layer = bnn.layers.Conv2D(3, 3, padding="same", activation="relu")
    model = widened(keras.Model(inputs, layer(inputs)), rng)
    x = rng.normal(size=(1, 4, 4, 2)).astype(np.float32)
    kernel, bias = (drawn(site, rng, 10**5) for site in bnn.sites(model).values())
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    hidden = np.einsum("bhwcij,sijco->sbhwo", windows, kernel, optimize=True)
    hidden = np.maximum(hidden + bias[:, None, None, None], 0)
    for z in z_scores(propagate(model, x), hidden):
        assert np.abs(z).max() < Z_LIMIT
    pooled = keras.Sequential([model.layers[0], layer, keras.layers.GlobalAveragePooling2D()])
    said, samples = propagate(pooled, x), hidden.mean(axis=(2, 3))
    by_mean, by_variance = z_scores(said, samples)
    assert np.abs(by_mean).max() < Z_LIMIT
    # What the docstring says of convolutions: places share weights, which is not carried on.
    assert by_variance.min() < -Z_LIMIT


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "gelu", "silu", "softplus", "elu"])
def test_activations_against_adaptive_quadrature(name):
    f = keras.activations.get(name)
    plain = {
        **NUMPY,
        "silu": lambda x: x * expit(x),
        "softplus": lambda x: np.logaddexp(0, x),
        "elu": lambda x: x if x > 0 else np.expm1(x),
    }[name]
    m, s = (a.ravel() for a in np.meshgrid([-4.0, -0.3, 0.0, 1.0, 30.0], [1e-3, 0.5, 3.0, 100.0]))
    means, variances, slopes = moments_of_activation(f, tf.constant(m), tf.constant(s**2))
    for i in range(len(m)):

        def average(g, i=i):
            def integrand(z):
                return g(plain(m[i] + s[i] * z)) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

            bend = np.clip(-m[i] / s[i], -8, 8)
            near = [bend + d / max(s[i], 1) for d in (-5, 0, 5)]
            return quad(integrand, -8.5, 8.5, points=np.clip(near, -8.4, 8.4), limit=400)[0]

        mean = average(lambda y: y)
        variance = average(lambda y, mean=mean: (y - mean) ** 2)
        np.testing.assert_allclose(means[i], mean, rtol=1e-4, atol=1e-6 * s[i])
        np.testing.assert_allclose(variances[i], variance, rtol=1e-4, atol=1e-9)
        # E f' by Stein's lemma, from values on a side each: where bends count at their own place.
        step = 1e-4 * max(s[i], 1e-2)
        ends = moments_of_activation(
            f, tf.constant(m[i] + [-step, step]), tf.constant([s[i] ** 2] * 2)
        )
        by_difference = np.diff(ends.mean)[0] / (2 * step)
        np.testing.assert_allclose(slopes[i], by_difference, rtol=2e-3, atol=1e-5)


def test_without_variance_it_is_the_model(rng):
    """Deterministic layers of every kind, through their own call."""
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Rescaling(0.5, offset=0.1)(inputs)
    left = keras.layers.Conv2D(4, 3, padding="same", activation="gelu", strides=2)(x)
    right = keras.layers.Conv2D(4, 3, padding="same", strides=2)(x)
    x = keras.layers.BatchNormalization()(keras.layers.Add()([left, right]))
    x = keras.layers.Concatenate()([keras.layers.AveragePooling2D(2, strides=1)(x)] * 2)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    x = keras.layers.Reshape((8, -1))(x)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.ReLU()(x))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="sigmoid")(x))
    for variable in model.variables:
        if "moving" in variable.path:
            variable.assign(np.exp(0.3 * rng.normal(size=variable.shape)))
    data = rng.normal(size=(5, 6, 6, 2)).astype(np.float32)
    said = propagate(model, data)
    np.testing.assert_allclose(said.mean, model(data), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(said.variance, 0)


def test_variance_through_linear_layers_is_exact(rng):
    """Of independent inputs, by the Jacobian: Var = J² v."""
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.BatchNormalization()(inputs)
    x = keras.layers.AveragePooling2D(2)(x)
    x = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    point = tf.constant(rng.normal(size=(1, 4, 4, 1)), tf.float32)
    variance = tf.constant(rng.uniform(0.1, 1, size=point.shape), tf.float32)
    said = moments._through(model, Units(point, variance), None)
    with tf.GradientTape() as tape:
        tape.watch(point)
        y = model(point)
    jacobian = tf.reshape(tape.jacobian(y, point), (3, -1)).numpy()
    # The units before the dense layer are sums of different inputs: independent, and so exact.
    np.testing.assert_allclose(said.variance[0], jacobian**2 @ variance.numpy().ravel(), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EXACT))
def test_layers_against_a_million_networks(name, rng):
    """Networks of which the diagonal approximation is exact: units are independent of each other.

    Only where a normal is what enters an activation, and two of them a maximum.
    """
    shape, build = EXACT[name]
    inputs = keras.Input(shape)
    model = widened(keras.Model(inputs, build(inputs)), rng)
    for variable in model.variables:
        if "moving" in variable.path:
            variable.assign(np.exp(0.3 * rng.normal(size=variable.shape)))
    x = rng.normal(size=(2, *shape)).astype(np.float32)
    samples = bnn.predict(model, x, DRAWS, seed=1, jit_compile=True).numpy()
    said = propagate(model, x)
    for z in z_scores(said, samples.astype(np.float64)):
        assert np.abs(z).max() < Z_LIMIT
    wrong = Moments(said.mean, 1.05 * said.variance)
    assert np.abs(z_scores(wrong, samples.astype(np.float64))[1]).max() > Z_LIMIT


@pytest.mark.slow
def test_covariances_against_a_million_networks(rng):
    """Exact where hidden units are independent; of three layers they are nearer than none."""
    inputs = keras.Input((3,))
    hidden = bnn.layers.Dense(5, activation="relu")(inputs)
    two = widened(keras.Model(inputs, bnn.layers.Dense(3)(hidden)), rng)
    x = rng.normal(size=(1, 3)).astype(np.float32)
    z, said = covariance_scores(two, x)
    assert np.abs(z).max() < Z_LIMIT
    np.testing.assert_allclose(said.mean, propagate(two, x).mean, rtol=1e-5)
    own = np.einsum("bii->bi", said.covariance)
    np.testing.assert_allclose(own, propagate(two, x).variance, rtol=1e-4)
    samples = bnn.predict(two, x, DRAWS, seed=1, jit_compile=True).numpy()[:, 0]
    lost = (np.cov(samples.T) - np.diag(own[0])) / np.sqrt(np.outer(own[0], own[0]) / DRAWS)
    assert np.abs(lost).max() > Z_LIMIT  # planted: without them
    deep = bnn.layers.Dense(5, activation="tanh")(hidden)
    three = widened(keras.Model(inputs, bnn.layers.Dense(3)(deep)), rng)
    samples = bnn.predict(three, x, 10**5, seed=1, jit_compile=True).numpy()[:, 0]
    said, true = propagate_covariance(three, x).covariance[0].numpy(), np.cov(samples.T)
    diagonal = np.diag(propagate(three, x).variance[0])
    assert np.linalg.norm(said - true) < 0.5 * np.linalg.norm(diagonal - true)


def test_no_layer_is_kept_when_its_model_has_gone():
    inputs = keras.Input((4, 4, 1))
    largest = K.MaxPooling2D(2)
    units = largest(L.Conv2D(1, 1)(inputs))
    model = keras.Model(inputs, L.Dense(1)(K.Flatten()(units)))
    propagate(model, np.zeros((1, 4, 4, 1)))
    kept = weakref.ref(largest)
    del inputs, largest, units, model
    keras.backend.clear_session()
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    ("shape", "network"),
    [
        ((3, 3, 1), lambda: [L.Conv2D(2, 2), L.SeparableConv2D(2, 2)]),
        ((2,), lambda: [L.Dense(2), L.Dense(121), K.Reshape((11, 11, 1)), L.Conv2D(2, 11)]),
    ],
    ids=["between two kernels", "in a large map"],
)
def test_variance_that_is_no_source_is_not_lost(shape, network, rng):
    """The second kernel alone is random, so that the diagonal of the covariance is exact."""
    model = widened(keras.Sequential([keras.Input(shape), *network(), K.Flatten()]), rng)
    posteriors = [site.posterior for site in bnn.sites(model).values()]
    second = [q for q in posteriors if len(q.shape) > 1][1]
    for q in posteriors:
        if q is not second:
            q.initialise(q.mean, np.full(q.shape, 1e-6, np.float32))
    x = rng.normal(size=(2, *shape)).astype(np.float32)
    own = np.einsum("bii->bi", propagate_covariance(model, x).covariance)
    np.testing.assert_allclose(own, propagate(model, x).variance, rtol=1e-3)


def covariance_scores(model, x):
    """In standard errors of 10⁶ samples' covariances."""
    samples = bnn.predict(model, x, DRAWS, seed=1, jit_compile=True).numpy()[:, 0]
    said = propagate_covariance(model, x)
    away = samples.astype(np.float64) - samples.mean(axis=0, dtype=np.float64)
    products = away[:, :, None] * away[:, None]
    error = products.std(axis=0) / np.sqrt(DRAWS)
    return (said.covariance[0].numpy() - products.mean(axis=0)) / error, said


@pytest.mark.parametrize(
    ("image", "window", "padding"),
    [(6, (3, 2), "valid"), (6, (4, 3), "same"), (5, (5, 5), "valid")],
)
def test_the_way_back_through_a_convolution_is_its_gradient(image, window, padding, rng):
    layer = L.Conv2D(3, window, padding=padding)
    layer.build((None, image, image, 2))
    operator, means = layer.kernel.operator, layer.kernel.posterior.mean
    x = tf.constant(rng.normal(size=(2, image, image, 2)), tf.float32)
    gradients = []
    for mapped in (operator, lambda path, means: along(operator, path, means)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = mapped(x, means)
            waves = tf.reshape(tf.sin(tf.range(tf.size(y), dtype=tf.float32)), y.shape)
            total = tf.reduce_sum(y * waves)
        gradients.append(tape.gradient(total, x))
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
