"""Models as people bring them: exactly their outputs at the mean, at scale → 0, and back."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.layers import Conv2D, DepthwiseConv2D, MultiHeadAttention, WeightSpace
from tests.conversion.comparison import different

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 32, 32, 3)).astype("float32")
IDS = RNG.integers(1, 20, (3, 7)).astype("int32")


@keras.saving.register_keras_serializable(package="tests")
class Gate(keras.layers.Layer):
    """x ∘ softplus(s): a layer that bnn has never seen, not linear in its weight."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self.s = self.add_weight(name="s", shape=(input_shape[-1],), initializer="normal")

    def call(self, inputs):
        return inputs * keras.ops.softplus(self.s)

    def compute_output_shape(self, input_shape):
        return input_shape


def mobilenet():
    options = {"weights": None, "input_shape": (32, 32, 3), "classes": 5}
    return keras.applications.MobileNetV3Small(**options), IMAGES


def resnet50():
    options = {"weights": None, "input_shape": (32, 32, 3), "classes": 5}
    return keras.applications.ResNet50(**options), IMAGES


def encoder():
    tokens = keras.Input((7,), dtype="int32")
    h = keras.layers.Embedding(20, 8, mask_zero=True)(tokens)
    h = Gate()(h)
    for _ in range(2):
        attended = keras.layers.MultiHeadAttention(2, 4, dropout=0.1)(h, h)
        h = keras.layers.LayerNormalization()(h + attended)
        inner = keras.layers.Dense(16, activation="gelu")(h)
        inner = keras.layers.Dropout(0.1)(keras.layers.Dense(8)(inner))
        h = keras.layers.LayerNormalization()(h + inner)
    h = keras.layers.GlobalAveragePooling1D()(h)
    return keras.Model(tokens, keras.layers.Dense(3)(h)), IDS


def table():
    normalize = keras.layers.Normalization()
    normalize.adapt(RNG.normal(2, 3, size=(50, 4)).astype("float32"))
    number, word = keras.Input((4,), name="a"), keras.Input((1,), dtype="string", name="b")
    kind = keras.layers.StringLookup(vocabulary=["x", "y"])(word)
    bins = keras.layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0])(number)
    bins = keras.layers.CategoryEncoding(num_tokens=4, output_mode="multi_hot")(bins)
    kind = keras.layers.Flatten()(keras.layers.Embedding(3, 2)(kind))
    h = keras.layers.Concatenate()([normalize(number), kind, bins])
    numbers = tf.constant(RNG.normal(size=(3, 4)), tf.float32)
    inputs = {"a": numbers, "b": tf.constant([["x"], ["z"], ["y"]])}
    return keras.Model({"a": number, "b": word}, keras.layers.Dense(2)(h)), inputs


def texts():
    words = keras.layers.TextVectorization(vocabulary=["the", "cat"], output_sequence_length=4)
    given = keras.Input((), dtype="string")
    h = keras.layers.GlobalMaxPooling1D()(keras.layers.Embedding(4, 3)(words(given)))
    return keras.Model(given, keras.layers.Dense(2)(h)), tf.constant(["the cat", "dog"])


def photographs():
    layers = [
        keras.Input((16, 16, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.RandomFlip(),
        keras.layers.RandomRotation(0.1),
        keras.layers.CenterCrop(8, 8),
        keras.layers.Conv2D(4, 3),
        keras.layers.PReLU(),
        keras.layers.Flatten(),
        keras.layers.Dense(2),
    ]
    return keras.Sequential(layers), (255 * RNG.random((2, 16, 16, 3))).astype("float32")


LARGE = [pytest.param(make, marks=pytest.mark.slow) for make in (mobilenet, resnet50)]
EVERY = pytest.mark.parametrize("make", [*LARGE, encoder, table, texts, photographs])


@EVERY
def test_the_conversion_is_exact(make):
    """At the mean, in a draw of scale 1e-30, and back in Keras: not one bit apart."""
    model, inputs = make()
    for variable in model.non_trainable_variables:  # moving statistics that are no longer 0 and 1
        if "moving" in variable.path:
            variable.assign_add(RNG.random(size=variable.shape).astype("float32"))
    bayesian = bnn.convert(model, initial_scale=1e-30, verbose=False)
    expected = model(inputs, training=False)
    assert different(bayesian(inputs, training=False), expected) == 0
    with bnn.Draw(0, bnn.estimators.Reparameterization()) as draw:
        drawn = bayesian(inputs, training=False)
    assert len(draw.sites) == len(bnn.sites(bayesian))
    assert different(drawn, expected) == 0
    assert different(bnn.to_keras(bayesian)(inputs, training=False), expected) == 0
    random = sum(row.weights for row in bayesian.conversion)
    assert random == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@EVERY
def test_a_loaded_model_converts_and_the_conversion_loads(make, tmp_path):
    model, inputs = make()
    model.save(tmp_path / "plain.keras")
    bayesian = bnn.convert(keras.models.load_model(tmp_path / "plain.keras"), verbose=False)
    expected = model(inputs, training=False)
    assert different(bayesian(inputs, training=False), expected) == 0
    bayesian.save(tmp_path / "bayesian.keras")
    loaded = keras.models.load_model(tmp_path / "bayesian.keras")
    assert different(loaded(inputs, training=False), expected) == 0
    assert list(bnn.sites(loaded)) == list(bnn.sites(bayesian))


@pytest.mark.slow
def test_every_layer_of_the_applications_has_a_counterpart():
    for make, kind in ((mobilenet, DepthwiseConv2D), (resnet50, Conv2D)):
        bayesian = bnn.convert(make()[0], verbose=False)
        assert any(isinstance(layer, kind) for layer in bayesian.layers)
        assert not any(isinstance(layer, WeightSpace) for layer in bayesian.layers)


@pytest.mark.slow
def test_an_unseen_layer_stands_between_others():
    model, ids = encoder()
    bayesian = bnn.convert(model, verbose=False)
    rows = {row.layer: row for row in bayesian.conversion}
    assert rows["Gate"].became == "WeightSpace"
    assert "Reparameterization" in rows["Gate"].estimators
    assert "Flipout" not in rows["Gate"].estimators
    assert any(isinstance(layer, MultiHeadAttention) for layer in bayesian.layers)
    likelihood = bnn.likelihoods.Categorical()
    trained = bnn.BayesianModel(bayesian, likelihood, num_predict_samples=2)
    trained.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    before = np.array(bayesian.layers[2].trainable_variables[0])
    trained.fit(ids, np.array([0, 1, 2]), verbose=0)
    assert np.abs(before - bayesian.layers[2].trainable_variables[0]).max() > 1e-4


class Skipping(keras.Model):
    """A functional model that a class calls in its own way."""

    def __init__(self, **kwargs):
        inputs = keras.Input((6,))
        h = inputs
        for _ in range(4):
            h = keras.layers.Dense(6, activation="tanh")(h)
        super().__init__(inputs, h, **kwargs)

    def call(self, inputs, training=None, mask=None):
        return inputs + super().call(inputs)

    def get_config(self):
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def test_every_weight_of_a_class_of_functional_models_has_a_site_of_its_own(tmp_path):
    """Its variables' paths do not name the model, and several of them end alike."""
    model, rows = Skipping(), RNG.normal(size=(3, 6)).astype("float32")
    bayesian = bnn.convert(model, initial_scale=1e-30, verbose=False)
    assert len(bnn.sites(bayesian)) == 8
    assert sum(row.weights for row in bayesian.conversion) == 4 * (36 + 6)
    assert different(bayesian(rows), model(rows)) == 0
    with bnn.Draw(0, bnn.estimators.Reparameterization()) as draw:
        assert different(bayesian(rows), model(rows)) == 0
    assert len(draw.sites) == 8
    assert different(bnn.to_keras(bayesian)(rows), model(rows)) == 0
    with keras.saving.custom_object_scope({"Skipping": Skipping}):
        bayesian.save(tmp_path / "m.keras")
        loaded = keras.models.load_model(tmp_path / "m.keras")
    assert different(loaded(rows), model(rows)) == 0
    assert list(bnn.sites(loaded)) == list(bnn.sites(bayesian))


def test_a_class_that_only_builds_a_functional_model_is_rebuilt():
    class Small(keras.Model):
        def __init__(self, **kwargs):
            inputs = keras.Input((6,))
            super().__init__(inputs, keras.layers.Dense(2, name="head")(inputs), **kwargs)

        def get_config(self):
            return {"name": self.name}

    model = Small()
    rows = RNG.normal(size=(3, 6)).astype("float32")
    bayesian = bnn.convert(model, verbose=False)
    assert isinstance(bayesian.get_layer("head"), bnn.layers.Dense)
    assert different(bayesian(rows), model(rows)) == 0


def test_a_layer_that_keras_cannot_rebuild_is_taken_over_and_says_so():
    class Stubborn(keras.layers.Layer):
        def __init__(self, secret):
            super().__init__(name="stubborn")
            self.secret = secret

        def build(self, input_shape):
            self.w = self.add_weight(name="w", shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return self.secret * inputs * self.w

    for where, reason in ((None, ""), ("head", "left out by where; ")):
        layer = Stubborn(2.0)
        layers = [keras.Input((6,)), layer, keras.layers.Dense(2, name="head")]
        model, rows = keras.Sequential(layers), RNG.normal(size=(3, 6)).astype("float32")
        expected = model(rows)
        bayesian = bnn.convert(model, where=where, verbose=False)
        assert different(bayesian(rows), expected) == 0
        (row,) = [row for row in bayesian.conversion if row.path == "stubborn"]
        assert row.reason == f"{reason}taken over, not copied: Keras cannot rebuild it"
