"""A small problem that a small network learns in a few steps."""

import keras
import numpy as np
import pytest

import bnn


@pytest.fixture
def data(rng):
    """x `[50, 4]` and labels `[50]` of three classes."""
    x = rng.normal(size=(50, 4)).astype("float32")
    return x, np.argmax(x[:, :3], axis=1).astype("int32")


@pytest.fixture
def make():
    """make(**arguments of compile): a compiled model, the same at every call."""

    def make(num_predict_samples=4, hidden=0, **options):
        keras.utils.set_random_seed(3)
        layers = [bnn.layers.Dense(hidden, activation="tanh")] if hidden else []
        network = keras.Sequential([keras.Input((4,)), *layers, bnn.layers.Dense(3)])
        likelihood = bnn.likelihoods.Categorical()
        model = bnn.BayesianModel(network, likelihood, num_predict_samples=num_predict_samples)
        options = {"optimizer": keras.optimizers.Adam(0.01), "run_eagerly": True, **options}
        model.compile(**options)
        return model

    return make
