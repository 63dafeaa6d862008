"""What may be fitted: several heads, learned noise, dicts; and what is refused, in words."""

import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.likelihoods import Categorical, Heads, Normal


def two_heads(x):
    inputs = keras.Input((4,), name="x")
    hidden = bnn.layers.Dense(8, activation="tanh")(inputs)
    outputs = {"size": bnn.layers.Dense(1)(hidden), "kind": bnn.layers.Dense(3)(hidden)}
    return keras.Model(inputs, outputs), {
        "size": x[:, :1],
        "kind": np.argmax(x[:, :3], 1).astype("int32"),
    }


def test_several_heads(data, tmp_path):
    x, _ = data
    network, targets = two_heads(x)
    likelihood = Heads({"size": Normal(scale=0.5, trainable=True), "kind": Categorical()})
    model = bnn.BayesianModel(network, likelihood, num_predict_samples=3)
    model.compile(
        keras.optimizers.Adam(0.02),
        metrics={"size": ["mae"], "kind": ["accuracy"]},
        run_eagerly=True,
    )
    history = model.fit(x, targets, batch_size=25, epochs=5, verbose=0).history
    assert history["nll"][-1] < history["nll"][0]
    assert {"size_mae", "kind_accuracy"} <= set(history)
    results = model.evaluate(x, targets, return_dict=True, verbose=0)
    assert np.isfinite(list(results.values())).all()
    samples = bnn.predict(network, x, 3, seed=0)
    parts = likelihood.predictive(samples)
    exact = tf.reduce_logsumexp(
        [likelihood.log_prob({k: v[s] for k, v in samples.items()}, targets) for s in range(3)], 0
    ) - np.log(3)
    assert results["nll"] == pytest.approx(-float(tf.reduce_mean(exact)), rel=1e-4)
    predicted = model.predict(x, verbose=0)
    assert {name: value.shape for name, value in predicted.items()} == {
        "size": (50, 1),
        "kind": (50, 3),
    }
    np.testing.assert_allclose(predicted["kind"], parts["kind"].mean(), atol=1e-6)
    (log_scale,) = likelihood.likelihoods["size"].variables
    assert any(v is log_scale for v in model.trainable_variables)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    again = loaded.evaluate(x, targets, return_dict=True, verbose=0)
    assert again["nll"] == pytest.approx(results["nll"], rel=1e-5)


def test_learned_noise_is_trained_and_saved(data, tmp_path):
    x, rng = data[0], np.random.default_rng(1)
    y = (x[:, :2] + 0.1 * rng.normal(size=(50, 2)) * [1, 5]).astype("float32")
    network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(2)])
    model = bnn.BayesianModel(network, Normal(scale=1.0, trainable=True))
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=False)
    model.fit(x, y, batch_size=50, epochs=150, verbose=0)
    (log_scale,) = model.likelihood.variables
    small, large = np.exp(log_scale.numpy())
    assert small < 0.6 * large < 0.5
    model.save(tmp_path / "m.keras")
    (loaded,) = keras.models.load_model(tmp_path / "m.keras").likelihood.variables
    np.testing.assert_array_equal(log_scale.numpy(), loaded.numpy())


def test_inputs_in_a_dict(data):
    x, y = data
    parts = {"a": keras.Input((2,), name="a"), "b": keras.Input((2,), name="b")}
    outputs = bnn.layers.Dense(3)(keras.layers.Concatenate()([parts["a"], parts["b"]]))
    model = bnn.BayesianModel(keras.Model(parts, outputs), Categorical(), num_predict_samples=2)
    model.compile(run_eagerly=True)
    given = {"a": x[:, :2], "b": x[:, 2:]}
    model.fit(given, y, verbose=0)
    assert float(model.num_train) == 50
    assert model.predict(given, verbose=0).shape == (50, 3)


def test_scikit_learn_cross_validates(data):
    from sklearn.model_selection import cross_val_score

    x, _ = data
    y = (2 * x[:, 0] - x[:, 1]).astype("float32")

    def build(X, y):
        network = keras.Sequential([keras.Input((X.shape[1],)), bnn.layers.Dense(1)])
        model = bnn.BayesianModel(network, Normal(scale=0.3), num_predict_samples=8)
        model.compile(keras.optimizers.Adam(0.1), run_eagerly=False)
        return model

    # Keras's wrapper loses its own fit_kwargs when scikit-learn clones it.
    regressor = keras.wrappers.SKLearnRegressor(build)
    scores = cross_val_score(regressor, x, y, cv=2, params={"epochs": 40, "verbose": 0})
    assert scores.shape == (2,)
    assert scores.min() > 0.5


def test_scikit_learn_classifies(data):
    x, y = data

    def build(X, y):
        network = keras.Sequential([keras.Input((X.shape[1],)), bnn.layers.Dense(y.shape[1])])
        model = bnn.BayesianModel(network, bnn.likelihoods.SoftCategorical(), num_predict_samples=8)
        model.compile(keras.optimizers.Adam(0.1), run_eagerly=True)
        return model

    classifier = keras.wrappers.SKLearnClassifier(build, fit_kwargs={"epochs": 20, "verbose": 0})
    classifier.fit(x, y)
    assert classifier.score(x, y) > 0.6


@pytest.mark.parametrize("argument", ["loss", "loss_weights"])
def test_a_loss_is_refused(make, argument):
    with pytest.raises(ValueError, match=f"{argument} must not be given: the loss is −log p"):
        make(**{argument: "mse"})


def test_a_plain_network_is_refused():
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model = bnn.BayesianModel(plain, Categorical())
    x = np.zeros((2, 4), "float32")
    for asked in (model.compile, lambda: model.predict(x, verbose=0), lambda: model.predictive(x)):
        with pytest.raises(ValueError, match=r"has no random weights; .* bnn\.convert\(network\)"):
            asked()


def test_a_network_without_variables_is_refused():
    with pytest.raises(ValueError, match="has no variables yet; call it once on data"):
        bnn.BayesianModel(keras.Sequential([bnn.layers.Dense(3)]), Categorical())


def test_another_likelihood_is_refused():
    network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"likelihood must be a bnn likelihood object, got 'mse'"):
        bnn.BayesianModel(network, "mse")


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), "whole", True])
def test_an_impossible_kl_weight_is_refused(make, wrong):
    with pytest.raises(ValueError, match="kl_weight must be"):
        make(kl_weight=wrong)


def test_fit_before_compile_is_refused(data):
    network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
    with pytest.raises(ValueError, match="compile"):
        bnn.BayesianModel(network, Categorical()).fit(*data)


def test_an_estimator_that_does_not_serve_is_refused_at_compile():
    full = bnn.posteriors.FullCovarianceNormal()
    network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3, kernel_posterior=full)])
    model = bnn.BayesianModel(network, Categorical())
    with pytest.raises(ValueError, match="FullCovarianceNormal"):
        model.compile(estimator=bnn.estimators.Flipout())
    model.compile()  # chooses one that serves


ON_TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
import bnn
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"]).scope():
    network = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
    model = bnn.BayesianModel(network, bnn.likelihoods.Categorical())
    model.compile()
try:
    model.fit(np.zeros((8, 4)), np.zeros(8, int), verbose=0)
except ValueError as error:
    print(error)
"""
REFUSED = r"fit trains on one device.*run\.strategy = @Mirrored\(\)"


@pytest.mark.slow
def test_several_replicas_are_refused_in_a_strategys_scope():
    command = [sys.executable, "-c", ON_TWO_REPLICAS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert re.search(REFUSED, done.stdout)


def test_several_replicas_are_refused(make, data, monkeypatch):
    strategy = types.SimpleNamespace(num_replicas_in_sync=2)
    model = make()
    monkeypatch.setattr(bnn.BayesianModel, "distribute_strategy", strategy)
    with pytest.raises(ValueError, match=REFUSED):
        model.fit(*data, verbose=0)


def test_fit_of_a_plain_model_with_bnn_layers_names_the_way(data):
    model = keras.Sequential([keras.Input((4,)), bnn.layers.Dense(3)])
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    with pytest.raises(RuntimeError, match=r"model\.fit does this.*bnn\.BayesianModel\("):
        model.fit(*data, verbose=0)


def test_several_inputs_in_a_list(data):
    x, y = data
    parts = [keras.Input((2,)), keras.Input((2,))]
    hidden = bnn.layers.Dense(3)(keras.layers.Concatenate()(parts))
    model = bnn.BayesianModel(keras.Model(parts, hidden), Categorical(), num_predict_samples=2)
    model.compile(run_eagerly=True)
    given = [x[:, :2], x[:, 2:]]
    model.fit(given, y, validation_data=(given, y), verbose=0)
    assert float(model.num_train) == 50
    assert model.predict(given, verbose=0).shape == (50, 3)


def test_a_network_of_a_fixed_batch(data):
    """Stateful layers ask for one: it is kept in fit, evaluate, predict and the predictive."""
    x, y = data[0][:40].reshape(40, 2, 2), data[1][:40]
    layers = [keras.Input(batch_shape=(10, 2, 2)), bnn.layers.LSTM(3, stateful=True)]
    network = keras.Sequential([*layers, bnn.layers.Dense(3)])
    model = bnn.BayesianModel(network, Categorical(), num_predict_samples=2)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    model.fit(x, y, batch_size=10, shuffle=False, verbose=0)
    state = [v.numpy() for v in network.non_trainable_variables]
    said = model.predictive(x, num_samples=2)
    assert said.mean.shape == (40, 3)
    assert model.predictive(x[:13], num_samples=2).mean.shape == (13, 3)
    np.testing.assert_allclose(said.mean, model.predict(x, batch_size=10, verbose=0), atol=1e-6)
    with pytest.raises(ValueError, match="batch_size must be 10 or None"):
        _ = model.predictive(x, num_samples=2, batch_size=20).mean
    assert model.constant_warning is not None
    for variable, before in zip(network.non_trainable_variables, state, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)
