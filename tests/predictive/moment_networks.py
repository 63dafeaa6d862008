"""Networks whose posteriors are far from where they begin."""

import keras
import numpy as np

import bnn


def widened(model, rng):
    """Posteriors that are far from their initial values: deviations of about 0.4."""
    for site in bnn.sites(model).values():
        shape = site.posterior.shape
        scale = np.exp(rng.normal(-1, 0.3, size=shape))
        site.posterior.initialise(rng.normal(0, 0.7, size=shape), scale.astype(np.float32))
    return model


def two_layers(activation, rng):
    layers = [keras.Input((2,)), bnn.layers.Dense(4, activation=activation), bnn.layers.Dense(2)]
    return widened(keras.Sequential(layers), rng)
