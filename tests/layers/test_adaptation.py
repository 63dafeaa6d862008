"""Weights that Keras has adapted by a low-rank update, beside random ones."""

import keras
import numpy as np
import pytest

import bnn

ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


@pytest.fixture
def adapted():
    """A dense layer with an update that is not zero, and its two factors."""
    layer = keras.layers.Dense(3, name="dense")
    layer.build((None, 4))
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.random.default_rng(1).normal(size=(2, 3)))
    return layer


@pytest.mark.parametrize("frozen", ["lora_kernel_a", "lora_kernel_b"])
def test_one_factor_alone_cannot_be_random(adapted, frozen):
    getattr(adapted, frozen).trainable = False
    with pytest.raises(ValueError, match=f"'dense' is adapted by enable_lora, .* {frozen} is froz"):
        bnn.layers.WeightSpace(adapted)(ROWS)


def test_saving_leaves_frozen_factors_as_they_are(adapted, tmp_path):
    """The update is part of the layer, and no posterior has it: zeros would be another layer."""
    adapted.lora_kernel_a.trainable = adapted.lora_kernel_b.trainable = False
    inputs = keras.Input((4,))
    model = keras.Model(inputs, bnn.layers.WeightSpace(adapted)(inputs))
    before = model(ROWS).numpy()
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(ROWS), before)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(ROWS), before, rtol=1e-5, atol=1e-6)


def test_saving_a_random_update(adapted, tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, bnn.layers.WeightSpace(adapted)(inputs))
    before = model(ROWS).numpy()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(ROWS), before, rtol=1e-5, atol=1e-6)
