"""A model comes back from its configuration, its .keras file and its checkpoint as it was."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.posteriors import Exponential, MeanFieldNormal, Point
from bnn.priors import Normal, ScaleMixture

FULL = {
    "activation": "tanh",
    "use_bias": True,
    "kernel_initializer": keras.initializers.HeNormal(seed=3),
    "bias_initializer": "ones",
    "kernel_regularizer": keras.regularizers.L2(0.25),
    "bias_regularizer": "l1",
    "activity_regularizer": keras.regularizers.L1(0.5),
    "kernel_constraint": keras.constraints.MaxNorm(3),
    "bias_constraint": "non_neg",
    "kernel_posterior": MeanFieldNormal(0.3, Exponential()),
    "bias_posterior": Point(),
    "kernel_prior": Normal(0.5, 0.7, trainable=True),
    "bias_prior": ScaleMixture(0.25, 2.0, 0.1),
    "name": "full",
    "dtype": "mixed_bfloat16",
}
LAYERS = {
    "dense": lambda: bnn.layers.Dense(4, **FULL),
    "conv1d": lambda: bnn.layers.Conv1D(4, 3, 2, "causal", **FULL),
    "conv2d": lambda: bnn.layers.Conv2D(
        4, (1, 2), padding="same", data_format="channels_first", dilation_rate=2, groups=2, **FULL
    ),
    "conv3d": lambda: bnn.layers.Conv3D(2, 2, strides=(1, 2, 3), **FULL),
    "defaults": lambda: bnn.layers.Dense(1),
}


def build():
    """Non-default posteriors and priors, and every variable moved from its initial value."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            bnn.layers.Conv2D(
                2,
                3,
                activation="relu",
                kernel_posterior=MeanFieldNormal(0.3, Exponential()),
                kernel_prior=Normal(scale=0.5, trainable=True),
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
            bnn.layers.Dense(
                3,
                kernel_posterior=MeanFieldNormal(0.2),
                bias_posterior=Point(),
                kernel_prior=ScaleMixture(0.25, 1.0, 0.1),
                bias_prior=Normal(1.0, 2.0),
            ),
        ]
    )
    rng = np.random.default_rng(5)
    for variable in model.variables:
        variable.assign_add(0.1 * rng.normal(size=variable.shape))
    return model


def outputs(model):
    x = tf.constant(np.random.default_rng(6).normal(size=(4, 6, 6, 1)), tf.float32)
    with bnn.Draw(3, bnn.estimators.Flipout()):
        return model(x).numpy()


def assert_equal_models(model, other):
    for variable, copy in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(copy, variable)
    np.testing.assert_array_equal(outputs(other), outputs(model))
    ledger = {name: float(value) for name, value in bnn.ledger(model, seed=1).items()}
    assert {name: float(value) for name, value in bnn.ledger(other, seed=1).items()} == ledger


# --- Configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_config_round_trip(make):
    layer = make()
    config = layer.get_config()
    copy = type(layer).from_config(config)
    assert copy.get_config() == config
    as_json = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    restored = keras.saving.deserialize_keras_object(as_json)
    assert type(restored) is type(layer)
    assert json.dumps(restored.get_config()) == json.dumps(config)


@pytest.mark.parametrize("make", [LAYERS["dense"], LAYERS["conv2d"]], ids=["dense", "conv2d"])
def test_config_keeps_every_argument(make):
    layer = make()
    copy = type(layer).from_config(layer.get_config())
    assert copy.name == "full"
    assert copy.dtype_policy.name == "mixed_bfloat16"
    assert copy.activation is keras.activations.tanh
    assert isinstance(copy.kernel_initializer, keras.initializers.HeNormal)
    assert isinstance(copy.bias_initializer, keras.initializers.Ones)
    assert float(copy.kernel_regularizer.l2) == 0.25
    assert isinstance(copy.bias_regularizer, keras.regularizers.L1)
    assert float(copy.activity_regularizer.l1) == 0.5
    assert copy.kernel_constraint.max_value == 3
    assert isinstance(copy.bias_constraint, keras.constraints.NonNeg)
    assert copy.kernel_posterior.initial_scale == 0.3
    assert isinstance(copy.kernel_posterior.scale_transform, Exponential)
    assert isinstance(copy.bias_posterior, Point)
    assert copy.kernel_prior.get_config() == {"loc": 0.5, "scale": 0.7, "trainable": True}
    assert copy.bias_prior.get_config() == layer.bias_prior.get_config()


def test_config_of_a_convolution():
    config = LAYERS["conv2d"]().get_config()
    expected = {
        "filters": 4,
        "kernel_size": (1, 2),
        "strides": (1, 1),
        "padding": "same",
        "data_format": "channels_first",
        "dilation_rate": (2, 2),
        "groups": 2,
    }
    assert {name: config[name] for name in expected} == expected


# --- Files ----------------------------------------------------------------------------------------


def test_keras_file(tmp_path):
    model = build()
    model.save(tmp_path / "m.keras")
    assert_equal_models(model, keras.models.load_model(tmp_path / "m.keras"))


def test_keras_file_of_a_model_called_in_a_draw_and_trained(tmp_path):
    model = build()
    optimizer = keras.optimizers.SGD(0.1)
    objective = bnn.objectives.NegativeELBO(bnn.likelihoods.Categorical(), 10)
    with tf.GradientTape() as tape:
        loss = objective(
            model,
            tf.ones((2, 6, 6, 1)),
            tf.constant([0, 2]),
            estimator=bnn.estimators.LocalReparameterization(),
            seed=0,
            step=0,
        ).loss
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    prior = model.layers[0].kernel_prior
    assert abs(float(prior.distribution().scale) - 0.5) > 1e-3
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert_equal_models(model, loaded)
    scale = loaded.layers[0].kernel_prior.distribution().scale
    assert float(scale) == float(prior.distribution().scale)


def test_weights_file(tmp_path):
    model, other = build(), build()
    for variable in other.variables:
        variable.assign(variable + 1)
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    assert_equal_models(model, other)


@keras.saving.register_keras_serializable(package="test_saving")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [bnn.layers.Conv2D(2, 3), bnn.layers.Conv2D(2, 3)]
        self.flatten = keras.layers.Flatten()
        self.head = bnn.layers.Dense(3, kernel_prior=Normal(trainable=True))

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return self.head(self.flatten(inputs))


@pytest.mark.parametrize("training", [None, True])
def test_a_subclassed_model_first_called_in_a_draw(tmp_path, training):
    """Keras builds it by tracing the call, and swallows errors there: its file would be empty."""
    model = Subclassed()
    with bnn.Draw(0, bnn.estimators.Flipout()):
        model(tf.ones((4, 6, 6, 1)), training=training)
    for variable in model.variables:
        variable.assign(variable + 0.5)
    model.save(tmp_path / "m.keras")
    assert_equal_models(model, keras.models.load_model(tmp_path / "m.keras"))


def test_checkpoint_of_the_model_restores_everything(tmp_path):
    model, other = build(), build()
    for variable in other.variables:
        variable.assign(variable + 1)
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "state"))
    tf.train.Checkpoint(model=other).restore(path).assert_consumed()
    assert_equal_models(model, other)


# --- Cloning --------------------------------------------------------------------------------------


def test_clone_model():
    model = build()
    clone = keras.models.clone_model(model)
    assert not {id(v) for v in model.variables} & {id(v) for v in clone.variables}
    for ours, theirs in zip(model.layers, clone.layers, strict=True):
        assert ours.get_config() == theirs.get_config()
    assert list(bnn.ledger(clone)) == list(bnn.ledger(model))
    clone.set_weights(model.get_weights())
    assert_equal_models(model, clone)
    assert isinstance(clone.layers[-1].kernel_prior, ScaleMixture)


def test_a_keras_model_is_converted_by_cloning(rng):
    """The Keras configuration of a layer makes its Bayesian namesake."""
    plain = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)]
    )

    def convert(layer):
        if not isinstance(layer, keras.layers.Dense):
            return layer
        return bnn.layers.Dense(layer.units, layer.activation, name=layer.name)

    model = keras.models.clone_model(plain, clone_function=convert)
    for site, weight in zip(bnn.sites(model).values(), plain.get_weights(), strict=True):
        site.posterior._loc.assign(weight)
    x = tf.constant(rng.normal(size=(5, 3)), tf.float32)
    np.testing.assert_allclose(model(x), plain(x), rtol=1e-5, atol=1e-6)
