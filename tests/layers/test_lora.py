"""LoRA: a frozen kernel plus a random update of low rank."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracle import assert_same, families

import bnn
from bnn.estimators import Flipout, LocalReparameterization, Reparameterization
from bnn.layers import LoRA
from bnn.posteriors import MeanFieldNormal

LAYERS = {
    "dense": lambda: keras.layers.Dense(6, activation="tanh"),
    "dense without bias": lambda: keras.layers.Dense(6, use_bias=False),
    "heads": lambda: keras.layers.EinsumDense("abc,cde->abde", (None, 2, 3), "relu", "de"),
    "outputs": lambda: keras.layers.EinsumDense("abc,cd->abd", (None, 6)),
    "ellipsis": lambda: keras.layers.EinsumDense("...x,xy->...y", 6, bias_axes="y"),
}
EACH = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
WIDE = families(LoRA, MeanFieldNormal(0.5))


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(4, 5, 3)), tf.float32)


@EACH
def test_a_draw_is_the_layer_with_the_updated_kernel(make, x, mode):
    layer = make()
    layer.build(x.shape)
    adapted = LoRA(layer, rank=2, alpha=3, **WIDE)
    adapted(x)

    @mode
    def drawn(x):
        with bnn.Draw(0, Reparameterization()) as draw:
            return adapted(x), [draw.weights[site] for site in adapted.sites]

    y, (down, up) = drawn(x)
    kernel = layer.kernel + 3 / 2 * tf.tensordot(down, up, 1)
    plain = type(layer).from_config(layer.get_config())
    plain.build(x.shape)
    values = [kernel] + ([layer.bias] if layer.bias is not None else [])
    for variable, value in zip(plain.weights, values, strict=True):
        variable.assign(value)
    assert_same(y, plain(x))


@EACH
def test_it_starts_at_the_frozen_layer(make, x):
    layer = make()
    expected = layer(x)
    assert_same(LoRA(layer, rank=2)(x), expected)


def test_the_frozen_layer_stays_frozen(x):
    layer = keras.layers.Dense(6)
    adapted = LoRA(layer, 2)
    adapted(x)
    model = keras.Sequential([keras.Input(x.shape[1:]), adapted])
    model.trainable = False
    assert model.trainable_variables == []
    model.trainable = True
    assert [v.name for v in model.trainable_variables] == [
        "down_loc",
        "down_unconstrained_scale",
        "up_loc",
        "up_unconstrained_scale",
    ]
    assert list(bnn.sites(model)) == ["0_lora/down", "0_lora/up"]


@EACH
@pytest.mark.parametrize("estimator", [LocalReparameterization(), Flipout()])
def test_every_estimator_serves_it(make, estimator, x):
    adapted = LoRA(make(), 2, **WIDE)
    same = tf.repeat(x[:1], 64, axis=0)
    adapted(same)
    with bnn.Draw(0, estimator):
        y = np.asarray(adapted(same))
    assert np.abs(y - y[:1]).max() > 1e-2


def test_configuration(x):
    adapted = LoRA(LAYERS["heads"](), 2, alpha=4.0, down_posterior=bnn.posteriors.Point())
    adapted(x)
    other = LoRA.from_config(adapted.get_config())
    assert other.get_config() == adapted.get_config()
    other(x)
    other.set_weights(adapted.get_weights())
    assert_same(other(x), adapted(x))


def test_mixed_precision(x):
    adapted = LoRA(keras.layers.Dense(6, dtype="mixed_float16"), 2)
    with bnn.Draw(0, Flipout()):
        assert adapted(x).dtype == tf.float16


def test_refusals(x):
    with pytest.raises(ValueError, match=r"layer must be a keras\.layers\.Dense .*, got Conv1D"):
        LoRA(keras.layers.Conv1D(2, 2), 2)
    with pytest.raises(ValueError, match="rank must be a positive integer, got 0"):
        LoRA(keras.layers.Dense(2), 0)
    contracted = keras.layers.EinsumDense("abc,dc->abd", (None, 2), name="odd")
    with pytest.raises(ValueError, match=r"last axis 'c' must be one of the outputs .*layer 'odd'"):
        LoRA(contracted, 2)(x)
