"""Attention: Keras's in masks and arguments, with random projections."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import assert_same, copy_into, families

import bnn
from bnn.estimators import Flipout, LocalReparameterization, Mean, Reparameterization
from bnn.posteriors import MeanFieldNormal, Point

ARGUMENTS = {
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    "GroupQueryAttention": {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
}
EACH = pytest.mark.parametrize("name", ARGUMENTS)


def build(name, module, **arguments):
    kind = getattr(module, name)
    if module is bnn.layers:
        arguments = {**families(kind, MeanFieldNormal(0.3)), **arguments}
    return kind(**ARGUMENTS[name], **arguments)


@pytest.fixture
def tensors(rng):
    """Queries, values and keys."""
    shapes = ((2, 4, 5), (2, 6, 3), (2, 6, 4))
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]


def outputs(name, tensors, arguments=None, estimator=None, **options):
    """Of the layer in a draw, and of the namesake with the draw's weights."""
    layer = build(name, bnn.layers, **(arguments or {}))
    plain = build(name, keras.layers, **(arguments or {}))
    for one in (layer, plain):
        one(*tensors)
    with bnn.Draw(0, estimator or Reparameterization()) as draw:
        got = layer(*tensors, **options)
        copy_into(plain, layer, draw)
    return got, plain(*tensors, **options)


@EACH
def test_cross_attention_with_masks_and_scores(name, tensors, rng):
    mask = rng.random((2, 4, 6)) < 0.6
    mask[..., 0] = True
    for options in (
        {},
        {"attention_mask": mask},
        {"attention_mask": mask, "use_causal_mask": True, "return_attention_scores": True},
    ):
        got, expected = outputs(name, tensors, **options)
        assert_same(got, expected)


@EACH
def test_causal_attention_sees_the_past_only(name, tensors):
    x = tensors[0]
    layer = build(name, bnn.layers)
    layer(x, x)
    changed = tf.concat([x[:, :2], -x[:, 2:]], axis=1)
    for estimator in (Reparameterization(), Flipout()):
        with bnn.Draw(0, estimator):
            y = layer(x, x, use_causal_mask=True)
            other = layer(changed, changed, use_causal_mask=True)
        np.testing.assert_allclose(y[:, :2], other[:, :2], rtol=1e-4, atol=1e-5)
        assert np.abs(y[:, 2:] - other[:, 2:]).max() > 1e-2


@EACH
def test_gate_and_sliding_window(name, tensors):
    config = build(name, keras.layers).get_config()
    known = {k: v for k, v in {"use_gate": True, "sliding_window": 2}.items() if k in config}
    if not known:
        pytest.skip("this Keras version has neither")
    x = tensors[0]
    got, expected = outputs(name, [x, x], known)
    assert_same(got, expected)


def test_masks_of_padding_are_used_and_passed_on():
    ids = np.array([[1, 2, 3, 0], [3, 1, 0, 0]])
    embedding = keras.layers.Embedding(4, 5, mask_zero=True)
    layer = build("MultiHeadAttention", bnn.layers)
    x = embedding(ids)  # Keras takes the mask from the tensor that it is called with
    layer(x, x)
    x, queries = embedding(ids), embedding(ids)
    with bnn.Draw(0, Reparameterization()):
        y = layer(queries, x)
        short = layer(x[1:, :2], x[1:, :2])
    np.testing.assert_array_equal(y._keras_mask, ids != 0)
    np.testing.assert_allclose(y[1:, :2], short, rtol=1e-4, atol=1e-5)


@EACH
def test_dropout_of_scores_is_that_of_keras(name, tensors):
    got, expected = outputs(
        name, tensors, {"dropout": 0.4, "seed": 3}, estimator=Mean(), training=True
    )
    assert_same(got, expected)


@EACH
@pytest.mark.parametrize("estimator", [LocalReparameterization(), Flipout()])
def test_estimators_with_weights_per_example(name, estimator, tensors):
    """Equal examples differ, and average to what weight samples average to."""
    layer = build(name, bnn.layers, **families(getattr(bnn.layers, name), MeanFieldNormal(0.02)))
    same = [tf.repeat(t[:1], 256, axis=0) for t in tensors]
    layer(*same)
    with bnn.Draw(0, estimator):
        y = np.asarray(layer(*same))
    assert y.std(axis=0).min() > 1e-4
    # To first order in the scale the mean is the plug-in output.
    expected = np.asarray(layer(*[t[:1] for t in tensors]))[0]
    z = (y.mean(axis=0) - expected) / (y.std(axis=0) / 16)
    assert np.abs(z).max() < 6


@EACH
def test_projections_are_found_in_order_and_keras_ones_are_gone(name, tensors):
    layer = build(name, bnn.layers, bias_posterior=Point())
    layer(*tensors)
    labels = [site.label for site in bnn.sites(layer).values()]
    parts = ("query", "key", "value", "attention_output")
    assert labels == [f"{part}/{site}" for part in parts for site in ("kernel", "bias")]
    assert len(layer.trainable_variables) == 4 * 3
    assert all("loc" in v.path or "scale" in v.path for v in layer.trainable_variables)


@EACH
def test_a_prior_must_be_one(name):
    with pytest.raises(ValueError, match="kernel_prior must be a bnn prior object or None, got 3"):
        build(name, bnn.layers, kernel_prior=3)
