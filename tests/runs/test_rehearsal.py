"""What model, likelihood and estimator say of each other is said before the folder is claimed."""

import functools

import keras
import numpy as np
import pytest

import bnn
from bnn import command_line, experiment
from bnn.data import classification_dataset

e, o = bnn.estimators, bnn.objectives


def model(layers):
    def make(shape, outputs):
        return keras.Sequential([keras.Input(shape), *layers(outputs)])

    return make


class Broken(keras.layers.Layer):
    def call(self, inputs):
        if not isinstance(inputs, keras.KerasTensor):
            raise ValueError("this layer must not be called; leave it out.")
        return inputs


def two_outputs(shape, outputs):
    inputs = keras.Input(shape)
    return keras.Model(inputs, [bnn.layers.Dense(outputs)(inputs) for _ in range(2)])


def hidden(shape, outputs):
    layer = bnn.layers.Dense(4)
    layers = [keras.layers.Lambda(lambda x: layer(x)), bnn.layers.Dense(outputs)]
    return keras.Sequential([keras.Input(shape), *layers])


GOOD = {
    "model": bnn.models.mlp,
    "method": bnn.methods.VariationalInference(e.Reparameterization()),
}
# What is given, and what the message names.
FAULTS = {
    "one logit for three classes": (
        {"model": model(lambda outputs: [bnn.layers.Dense(1)])},
        "Categorical needs one logit per class",
    ),
    "outputs at positions": (
        {"model": model(lambda outputs: [keras.layers.Reshape((2, 2)), bnn.layers.Dense(outputs)])},
        r"Categorical takes outputs \[B, K\]",
    ),
    "two outputs": ({"model": two_outputs}, "Categorical takes one output"),
    "a layer that fails": (
        {"model": model(lambda outputs: [Broken(), bnn.layers.Dense(outputs)])},
        "this layer must not be called; leave it out",
    ),
    "a posterior that the estimator does not serve": (
        {
            "model": functools.partial(bnn.models.mlp, kernel_posterior=bnn.posteriors.Mixture()),
            "method": bnn.methods.VariationalInference(e.Flipout()),
        },
        "Flipout",
    ),
    "a bound that needs weights": (
        {
            "method": bnn.methods.VariationalInference(
                e.LocalReparameterization(), objective=o.ImportanceWeightedBound(num_samples=2)
            )
        },
        "LocalReparameterization",
    ),
    "a layer that is called twice": (
        {
            "model": model(
                lambda outputs: [
                    keras.layers.Reshape((2, 2)),
                    keras.layers.TimeDistributed(bnn.layers.Dense(3)),
                    keras.layers.Flatten(),
                    bnn.layers.Dense(outputs),
                ]
            ),
            "method": bnn.methods.VariationalInference(e.LocalReparameterization()),
        },
        "called again in one draw|LocalReparameterization",
    ),
    "a layer that is not tracked": ({"model": hidden}, "was drawn in the call of model"),
}


def run(folder, **given):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(24, 4)).astype(np.float32), np.arange(24) % 3
    return experiment.run(
        folder,
        data=classification_dataset("toy", (x[:16], y[:16]), (x[16:], y[16:]), num_classes=3),
        likelihood=bnn.likelihoods.Categorical(),
        optimizer=keras.optimizers.Adam(),
        epochs=1,
        batch_size=8,
        num_predict_samples=2,
        jit_compile=False,
        **{**GOOD, **given},
    )


@pytest.mark.parametrize("name", FAULTS)
def test_what_fails_at_once_leaves_no_folder(tmp_path, clean_gin, name):
    given, words = FAULTS[name]
    with pytest.raises((ValueError, RuntimeError, TypeError), match=words):
        run(tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", FAULTS)
def test_so_on_the_replicas_of_one_machine(tmp_path, clean_gin, name):
    class Two(bnn.training.Strategy):
        num_replicas = 2

    given, words = FAULTS[name]
    with pytest.raises((ValueError, RuntimeError, TypeError), match=words):
        run(tmp_path / "run", strategy=Two(), **given)
    assert not (tmp_path / "run").exists()


def test_the_corrected_command_takes_the_folder(tmp_path, cheap_runs, clean_gin):
    with pytest.raises(ValueError, match="one logit"):
        run(tmp_path / "run", **FAULTS["one logit for three classes"][0])
    assert run(tmp_path / "run")["steps"] == 2


def test_a_look_changes_nothing(tmp_path, cheap_runs, clean_gin, monkeypatch):
    """Averages, baselines and stateful layers begin as without it: the same bits."""

    def results(folder):
        averaging = model(lambda n: [keras.layers.BatchNormalization(), bnn.layers.Dense(n)])
        estimator = e.ScoreFunction(e.RunningMean())
        return run(folder, model=averaging, method=bnn.methods.VariationalInference(estimator))

    looked = results(tmp_path / "looked")
    monkeypatch.setattr("bnn.runs.train.rehearse", lambda session: None)
    assert looked["test"] == results(tmp_path / "unseen")["test"]


def test_the_words_of_a_layer_are_shown_without_what_keras_adds(tmp_path, clean_gin):
    with pytest.raises(ValueError, match="must not be called") as caught:
        run(tmp_path / "run", **FAULTS["a layer that fails"][0])
    assert "Arguments received by Broken.call()" in str(caught.value)
    said = command_line._in_words(caught.value)
    assert said.endswith("this layer must not be called; leave it out.")
    assert "Arguments received by" not in said
    assert "\x1b" not in said
