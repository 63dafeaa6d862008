"""Filter response normalisation and position embeddings against their equations, in every mode."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import families

import bnn
from bnn.estimators import Flipout, LocalReparameterization, Reparameterization
from bnn.layers import FilterResponseNormalization, PositionEmbedding
from bnn.posteriors import MeanFieldNormal

EVERY = [Reparameterization(), LocalReparameterization(), Flipout()]
LAYERS = {
    "images": (FilterResponseNormalization, {"epsilon": 0.1}, (5, 4, 3, 2)),
    "sequences": (FilterResponseNormalization, {}, (5, 4, 2)),
    "channels first": (FilterResponseNormalization, {"axis": 1, "threshold": False}, (5, 2, 4, 3)),
    "without offset": (FilterResponseNormalization, {"center": False}, (5, 4, 2)),
    "positions": (PositionEmbedding, {}, (5, 4, 2)),
}
EACH = pytest.mark.parametrize(("kind", "arguments", "shape"), LAYERS.values(), ids=LAYERS)


def made(kind, arguments, shape, scale=0.3):
    layer = kind(**arguments, **families(kind, MeanFieldNormal(scale)))
    layer.build(shape)
    return layer


def by_hand(layer, x, weights):
    """The layer's equation in float64, of weights by the site's name."""
    x = np.asarray(x, np.float64)
    if isinstance(layer, PositionEmbedding):
        return x + weights["embeddings"]
    channels = layer.axis % x.ndim
    positions = tuple(axis for axis in range(1, x.ndim) if axis != channels)
    shape = [size if axis == channels else 1 for axis, size in enumerate(x.shape)]
    y = x / np.sqrt(np.mean(x**2, axis=positions, keepdims=True) + layer.epsilon)
    y = y * np.reshape(weights["gamma"], shape)
    if "beta" in weights:
        y = y + np.reshape(weights["beta"], shape)
    return np.maximum(y, np.reshape(weights["threshold"], shape)) if layer.threshold else y


@EACH
def test_a_draw_is_the_equation_with_its_weights(kind, arguments, shape, mode, rng):
    layer = made(kind, arguments, shape)
    x = tf.constant(rng.normal(size=shape), tf.float32)

    @mode
    def drawn(x):
        with bnn.Draw(0, Reparameterization()) as draw:
            return layer(x), {site.name: draw.weights[site] for site in layer.sites}

    y, weights = drawn(x)
    assert len(weights) == len(layer.sites)
    np.testing.assert_allclose(y, by_hand(layer, x, weights), rtol=1e-4, atol=1e-5)
    means = {site.name: site.posterior.mean for site in layer.sites}
    np.testing.assert_allclose(layer(x), by_hand(layer, x, means), rtol=1e-4, atol=1e-5)


@EACH
@pytest.mark.parametrize("estimator", EVERY, ids=lambda e: e.describe())
def test_gradients_reach_every_mean_and_scale(kind, arguments, shape, estimator, rng):
    layer = made(kind, arguments, shape)
    x = tf.constant(rng.normal(size=shape), tf.float32)
    weights = tf.constant(rng.normal(size=shape), tf.float32)
    with tf.GradientTape() as tape, bnn.Draw(1, estimator):
        loss = tf.reduce_sum(weights * layer(x))
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == 2 * len(layer.sites)
    assert all(np.abs(g).max() > 1e-6 for g in gradients)


@EACH
def test_it_is_saved(kind, arguments, shape, tmp_path, rng):
    layer = kind(**arguments, **families(kind, MeanFieldNormal(0.3)))
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    for variable in model.variables:
        variable.assign_add(0.1 * rng.random(size=variable.shape))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    x = rng.normal(size=shape).astype("float32")
    for one in (model, loaded):
        with bnn.Draw(3, Flipout()):
            one.outputs_ = np.asarray(one(x))
    np.testing.assert_array_equal(model.outputs_, loaded.outputs_)


@EACH
def test_mixed_precision(kind, arguments, shape, rng):
    layer = made(kind, {**arguments, "dtype": "mixed_float16"}, shape)
    x = 300 * rng.normal(size=shape).astype("float32")  # whose squares float16 cannot hold
    with bnn.Draw(0, Reparameterization()) as draw:
        y = layer(x)
        weights = {site.name: draw.weights[site] for site in layer.sites}
    assert y.dtype == tf.float16
    np.testing.assert_allclose(y, by_hand(layer, x, weights), rtol=1e-2, atol=2e-2)


@EACH
def test_the_plain_layer_keeps_to_it_in_mixed_precision(kind, arguments, shape, rng):
    layer = kind(**arguments, dtype="mixed_float16", **families(kind, MeanFieldNormal(0.3)))
    model = keras.Sequential([keras.Input(shape[1:]), layer])
    x = 300 * rng.normal(size=shape).astype("float32")
    np.testing.assert_allclose(bnn.to_keras(model)(x), model(x), rtol=1e-2, atol=2e-2)


@pytest.mark.parametrize("estimator", EVERY, ids=lambda e: e.describe())
def test_a_positions_vector_has_the_posteriors_moments(estimator):
    """Means and standard deviations over 1,500 draws, |z| < 5 for each of 2 × 6 numbers."""
    layer = made(PositionEmbedding, {}, (1, 3, 2))
    x, count = tf.zeros((1, 3, 2)), 1500

    @tf.function
    def draw(step):
        with bnn.Draw(0, estimator, step=step):
            return layer(x)[0]

    y = np.stack([draw(tf.constant(step)) for step in range(count)])
    mean, scale = (np.asarray(v) for v in (layer.embeddings.posterior.mean, 0.3))
    assert np.abs((y.mean(0) - mean) / (scale / np.sqrt(count))).max() < 5
    assert np.abs((y.std(0) / scale - 1) * np.sqrt(2 * count)).max() < 5


def test_masks_pass_on():
    ids = np.array([[1, 0, 2, 0]])
    h = keras.layers.Embedding(5, 4, mask_zero=True)(ids)
    for layer in (FilterResponseNormalization(), PositionEmbedding()):
        np.testing.assert_array_equal(layer(h)._keras_mask, ids != 0)


@pytest.mark.parametrize("plain", [False, True])
def test_padding_changes_nothing(plain, rng):
    """A masked sequence is normalised as the short one is. Planted: the mean over all positions."""
    layer = made(FilterResponseNormalization, {}, (None, None, 2))
    if plain:
        layer = bnn.to_keras(keras.Sequential([keras.Input((None, 2)), layer])).layers[0]
    x = rng.normal(size=(3, 6, 2)).astype("float32")
    mask = np.arange(6) < np.array([[6], [4], [0]])
    y = np.asarray(layer(x, mask=tf.constant(mask)))
    for row, length in enumerate((6, 4)):
        alone = layer(x[row : row + 1, :length])
        np.testing.assert_allclose(y[row, :length], alone[0], rtol=1e-5, atol=1e-6)
    assert np.isfinite(y).all()
    assert np.abs(y[1, :4] - np.asarray(layer(x))[1, :4]).max() > 1e-3


@pytest.mark.parametrize(
    ("axis", "shape", "lead"), [(-1, (2, 3, 4, 5), 2), (1, (2, 5, 3, 4), 3), (-1, (2, 3, 4, 5), 3)]
)
def test_masks_of_some_axes(axis, shape, lead, rng):
    layer = made(FilterResponseNormalization, {"axis": axis, "threshold": False}, shape)
    x = rng.normal(size=shape).astype("float32")
    places = (2, 3, 4)[:lead]
    mask = rng.random(places) < 0.7
    counted = np.broadcast_to(mask.reshape(places + (1,) * (3 - lead)), (2, 3, 4))
    squares = np.moveaxis(x, axis, -1).astype(float) ** 2
    power = (squares * counted[..., None]).sum((1, 2)) / counted.sum((1, 2))[:, None]
    expected = np.moveaxis(x, axis, -1) / np.sqrt(power[:, None, None] + layer.epsilon)
    actual = np.moveaxis(np.asarray(layer(x, mask=tf.constant(mask))), axis, -1)
    gamma, beta = (np.asarray(site.posterior.mean) for site in (layer.gamma, layer.beta))
    np.testing.assert_allclose(actual, expected * gamma + beta, rtol=1e-4, atol=1e-5)


def test_priors_and_where_the_threshold_begins():
    layer = made(FilterResponseNormalization, {}, (2, 3, 2))
    assert [layer.gamma.prior.loc, layer.beta.prior.loc, layer.threshold.prior.loc] == [1, 0, 0]
    x = np.random.default_rng(0).normal(size=(2, 3, 2)).astype("float32")
    assert np.min(layer(x)) == 0  # a ReLU at the start


def test_refusals():
    with pytest.raises(ValueError, match=r"must have positions.*got shape \(None, 3\); use Layer"):
        keras.Sequential([keras.Input((3,)), FilterResponseNormalization()])
    with pytest.raises(ValueError, match=r"epsilon must be positive, got 0\.0"):
        FilterResponseNormalization(epsilon=0.0)
    with pytest.raises(ValueError, match=r"known length T, got shape \(None, None, 3\)"):
        keras.Sequential([keras.Input((None, 3)), PositionEmbedding()])
