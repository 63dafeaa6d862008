"""Embeddings: ids, masks, and what estimators do where an id comes twice."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.estimators import Flipout, LocalReparameterization, Reparameterization
from bnn.layers import Embedding
from bnn.posteriors import MeanFieldNormal

WIDE = {"embeddings_posterior": MeanFieldNormal(0.5)}
IDS = np.array([[1, 1, 2], [1, 2, 2]])


def test_masks():
    layer = Embedding(4, 3, mask_zero=True)
    ids = np.array([[1, 0, 3], [0, 0, 2]])
    np.testing.assert_array_equal(layer(ids)._keras_mask, ids != 0)
    np.testing.assert_array_equal(layer.compute_mask(ids), ids != 0)
    unmasked = Embedding(4, 3)
    assert unmasked.compute_mask(ids) is None
    assert not hasattr(unmasked(ids), "_keras_mask")


def test_masks_reach_a_recurrent_layer():
    model = keras.Sequential([Embedding(4, 3, mask_zero=True, **WIDE), bnn.layers.LSTM(2)])
    ids = np.array([[1, 2, 0, 0]])
    model(ids)
    with bnn.Draw(0, Reparameterization()):
        np.testing.assert_allclose(model(ids), model(ids[:, :2]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_ids_of_any_dtype(dtype, policy):
    """Under mixed precision ids above 2048 are no float16 numbers."""
    layer = Embedding(5000, 2, dtype=policy)
    ids = np.array([[4097, 3]]) if dtype != "uint8" else np.array([[255, 3]])
    y = layer(ids.astype(dtype))
    table = layer.embeddings_posterior.mean
    np.testing.assert_allclose(tf.cast(y, tf.float32)[0], tf.gather(table, ids[0]), atol=1e-3)


def test_initial_weights():
    table = np.arange(12.0).reshape(4, 3)
    for weights in (table, [table]):
        layer = Embedding(4, 3, weights=weights)
        np.testing.assert_array_equal(layer.embeddings_posterior.mean, table)
    assert Embedding.from_config(layer.get_config()).get_config() == layer.get_config()
    with pytest.raises(ValueError, match=r"weights must have shape \(4, 3\), got \(3, 4\)"):
        Embedding(4, 3, weights=table.T)


def test_input_length_is_taken():
    assert Embedding(4, 3, input_length=5)(np.zeros((2, 5), int)).shape == (2, 5, 3)


def test_equal_ids_have_equal_vectors_as_the_estimator_couples_them():
    layer = Embedding(4, 3, **WIDE)
    layer(IDS)
    found = {}
    for estimator in (Reparameterization(), Flipout(), LocalReparameterization()):
        with bnn.Draw(0, estimator):
            y = np.asarray(layer(IDS))
        within = np.abs(y[0, 0] - y[0, 1]).max() < 1e-6
        across = np.abs(y[0, 0] - y[1, 0]).max() < 1e-6
        found[type(estimator).__name__] = (bool(within), bool(across))
        assert (found[type(estimator).__name__]) == (
            estimator.couples_positions,
            estimator.couples_examples,
        )


@pytest.mark.parametrize("estimator", [Flipout(), LocalReparameterization()])
def test_marginal_law(estimator, assert_mean):
    layer = Embedding(4, 3, **WIDE)
    ids = np.full((4096, 1), 2)
    layer(ids)
    mean = layer.embeddings_posterior.mean[2]
    samples = []
    for step in range(8 if isinstance(estimator, Flipout) else 1):
        with bnn.Draw(0, estimator, step=step):
            samples.append(np.asarray(layer(ids))[:, 0])
    if isinstance(estimator, Flipout):
        # Signs alone differ between the examples of a draw: |Δ| is one number.
        sizes = np.abs(samples[0] - mean)
        np.testing.assert_allclose(sizes, np.broadcast_to(sizes[0], sizes.shape), rtol=1e-4)
        assert_mean(np.sign(samples[0] - mean), 0.0)
    else:
        assert_mean(samples[0], mean)
        assert_mean((samples[0] - mean) ** 2, 0.25)


@pytest.mark.parametrize("name", ["input_dim", "output_dim"])
def test_sizes(name):
    sizes = {"input_dim": 4, "output_dim": 3, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be a positive integer, got 0"):
        Embedding(**sizes)


@pytest.mark.parametrize("ids", [[[3, 4, 0, -5]], [[np.nan, 1.0, 1.7, np.inf]]])
def test_what_is_no_id_has_no_vector(ids):
    """XLA took the nearest id without a word; TensorFlow on CPUs refuses."""
    layer = Embedding(4, 2)
    layer.build()
    ids = np.array(ids)
    known = (ids >= -4) & (ids < 4) & (ids == np.floor(ids))
    compiled = tf.function(layer, jit_compile=True)
    vectors = compiled(tf.constant(ids)).numpy()
    np.testing.assert_array_equal(np.isnan(vectors), np.repeat(~known[..., None], 2, axis=2))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"is not in \[0, 4\)"):
        layer(ids)
