"""Any Keras model as a Bayesian one: the same outputs at the mean, exactly, and back."""

import keras
import numpy as np
import pytest

import bnn
from bnn.layers import Conv2D, Dense, WeightSpace
from bnn.noise import Noise, Purpose

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(4, 12, 12, 3)).astype("float32")
ROWS = RNG.normal(size=(5, 6)).astype("float32")


def images_model():
    """Nested, with a shared layer, two heads, state and preprocessing."""
    inputs = keras.Input((12, 12, 3))
    h = keras.layers.Rescaling(2.0)(inputs)
    h = keras.layers.Conv2D(4, 3, activation="relu", name="stem")(h)
    h = keras.layers.BatchNormalization(name="norm")(h)
    h = keras.layers.GlobalAveragePooling2D()(h)
    inner = [keras.Input((4,)), keras.layers.Dense(5, name="hidden"), keras.layers.Dropout(0.1)]
    h = keras.Sequential(inner, name="inner")(h)
    shared = keras.layers.Dense(5, name="shared")
    h = keras.layers.Add()([shared(h), shared(h)])
    heads = {"a": keras.layers.Dense(3, name="a")(h), "b": keras.layers.Dense(2, name="b")(h)}
    model = keras.Model(inputs, heads)
    model.get_layer("norm").moving_mean.assign([0.1, -0.2, 0.3, 0.4])
    return model


class Subclassed(keras.Model):
    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.out = keras.layers.Dense(width, "relu"), keras.layers.Dense(2)

    def call(self, inputs):
        return self.out(self.hidden(inputs))


def text_model():
    tokens = keras.Input((7,), dtype="int32")
    h = keras.layers.Embedding(20, 8, mask_zero=True)(tokens)
    h = keras.layers.Bidirectional(keras.layers.LSTM(6, return_sequences=True))(h)
    h = keras.layers.MultiHeadAttention(2, 4)(h, h)
    h = keras.layers.LayerNormalization()(h)
    return keras.Model(tokens, keras.layers.Dense(3)(keras.layers.GRU(5)(h)))


def same(left, right):
    keras.tree.map_structure(np.testing.assert_array_equal, left, right)


def test_the_mean_gives_the_models_outputs_exactly():
    model = images_model()
    bayesian = bnn.convert(model, verbose=False)
    same(bayesian(IMAGES), model(IMAGES))
    assert isinstance(bayesian.get_layer("stem"), Conv2D)
    assert isinstance(bayesian.get_layer("inner").layers[0], Dense)


def test_shared_layers_stay_shared():
    bayesian = bnn.convert(images_model(), verbose=False)
    assert sum(site.layer.name == "shared" for site in bnn.sites(bayesian).values()) == 2


@pytest.mark.slow
def test_a_model_of_layers_without_counterparts_converts():
    model = text_model()
    tokens = RNG.integers(0, 20, (3, 7))
    bayesian = bnn.convert(model, verbose=False)
    same(bayesian(tokens), model(tokens))
    outputs = bnn.predict(bayesian, tokens, 4, jit_compile=False)
    assert outputs.shape == (4, 3, 3)
    assert np.all(np.std(outputs, axis=0) > 0)


def test_a_subclassed_model_converts_by_substitution():
    model = Subclassed()
    expected = np.array(model(ROWS))
    bayesian = bnn.convert(model, verbose=False)
    same(bayesian(ROWS), expected)
    assert len(bnn.sites(bayesian)) == 4
    assert isinstance(next(iter(bnn.sites(bayesian).values())).layer, WeightSpace)


def test_the_original_is_not_changed_by_training_the_copy():
    model = images_model()
    before = model.get_weights()
    bayesian = bnn.convert(model, verbose=False)
    for variable in bayesian.trainable_variables:
        variable.assign_add(np.ones(variable.shape, "float32"))
    same(model.get_weights(), before)
    assert len(model.trainable_variables) == len(images_model().trainable_variables)


@pytest.mark.parametrize("where", ["a", ["a", "b"], lambda path, layer: path == "a"])
def test_where_chooses_layers(where):
    bayesian = bnn.convert(images_model(), where=where, verbose=False)
    names = {site.layer.name for site in bnn.sites(bayesian).values()}
    assert names == ({"a", "b"} if isinstance(where, list) else {"a"})
    row = next(row for row in bayesian.conversion if row.path == "stem")
    assert row.reason == "left out by where"


def test_where_finds_nested_layers_by_path():
    bayesian = bnn.convert(images_model(), where="inner/*", verbose=False)
    assert {site.layer.name for site in bnn.sites(bayesian).values()} == {"hidden"}


def test_frozen_layers_stay_deterministic_and_cost_no_kl():
    model = images_model()
    model.get_layer("stem").trainable = False
    bayesian = bnn.convert(model, verbose=False)
    same(bayesian(IMAGES), model(IMAGES))
    assert type(bayesian.get_layer("stem")) is keras.layers.Conv2D
    assert not bayesian.get_layer("stem").trainable
    assert "frozen" in {row.reason for row in bayesian.conversion}


def test_moped_scales_and_priors_around_the_weights():
    model = images_model()
    bayesian = bnn.convert(
        model, initial_scale=bnn.moped(0.1, 1e-3), prior=bnn.priors.Around(0.5), verbose=False
    )
    weights = np.array(model.get_layer("a").kernel)
    site = bayesian.get_layer("a").kernel
    np.testing.assert_allclose(
        site.posterior.scale, np.maximum(0.1 * np.abs(weights), 1e-3), rtol=1e-5
    )
    np.testing.assert_array_equal(site.prior.loc, weights)
    scale = np.array(site.posterior.scale, np.float64)
    kl = np.sum(np.log(0.5 / scale) + (scale**2) / (2 * 0.25) - 0.5)
    name = next(n for n, s in bnn.sites(bayesian).items() if s is site)
    np.testing.assert_allclose(bnn.ledger(bayesian)[name], kl, rtol=1e-5)


def test_back_to_keras_at_the_mean_and_at_one_function():
    model = images_model()
    bayesian = bnn.convert(model, verbose=False)
    same(bnn.to_keras(bayesian)(IMAGES), model(IMAGES))
    plain = bnn.to_keras(bayesian, sample=2, seed=5)
    assert not bnn.sites(plain)
    noise = Noise(5, purpose=Purpose.PREDICTION, sample=2)
    with bnn.Draw(noise, bnn.estimators.Reparameterization()):
        drawn = bayesian(IMAGES)
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), plain(IMAGES), drawn
    )


def test_a_converted_model_saves_and_loads(tmp_path):
    for model, inputs in ((images_model(), IMAGES), (text_model(), RNG.integers(0, 20, (3, 7)))):
        bayesian = bnn.convert(model, prior=bnn.priors.Around(1.0), verbose=False)
        bayesian.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        same(loaded(inputs), bayesian(inputs))
        for name, kl in bnn.ledger(bayesian).items():
            np.testing.assert_array_equal(bnn.ledger(loaded)[name], kl)


def test_the_table_says_what_became_of_each_layer(capsys):
    bayesian = bnn.convert(text_model())
    assert "no counterpart: weights by substitution" in capsys.readouterr().out
    (row,) = [row for row in bayesian.conversion if row.became == "WeightSpace"]
    assert row.layer == "Bidirectional"
    assert "Flipout" not in row.estimators
    bayesian = bnn.convert(images_model())
    assert "| stem" in capsys.readouterr().out
    rows = {row.path: row for row in bayesian.conversion}
    assert rows["stem"].became == "Conv2D"
    assert rows["stem"].weights == 3 * 3 * 3 * 4 + 4
    assert "Flipout" in rows["stem"].estimators


def test_refusals():
    with pytest.raises(ValueError, match=r"no variables yet; call it once on data"):
        bnn.convert(Subclassed())
    with pytest.raises(ValueError, match=r"no layer .* became random \(where='nothing'\)"):
        bnn.convert(images_model(), where="nothing", verbose=False)
    with pytest.raises(ValueError, match="must be a Keras model"):
        bnn.convert(keras.layers.Dense(2))
    with pytest.raises(ValueError, match="delta must be a positive"):
        bnn.moped(0.0)
    with pytest.raises(ValueError, match="sample must be at least 0"):
        bnn.to_keras(bnn.convert(images_model(), verbose=False), sample=-1)
