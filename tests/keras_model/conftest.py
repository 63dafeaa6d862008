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


def network(width=8, outputs=3, **options):
    return keras.Sequential(
        [
            keras.Input((4,)),
            bnn.layers.Dense(width, activation="tanh", **options),
            bnn.layers.Dense(outputs, **options),
        ]
    )


@pytest.fixture
def make():
    """make(**arguments of compile): a compiled model, the same at every call."""

    def make(seed=0, likelihood=None, num_predict_samples=4, outputs=3, **options):
        keras.utils.set_random_seed(3)
        likelihood = likelihood if likelihood is not None else bnn.likelihoods.Categorical()
        model = bnn.BayesianModel(
            network(outputs=outputs),
            likelihood,
            seed=seed,
            num_predict_samples=num_predict_samples,
        )
        options = {"optimizer": keras.optimizers.Adam(0.01), "run_eagerly": True, **options}
        model.compile(**options)
        return model

    return make
