"""A model of one layer and a batch for it, which audits look at."""

import keras
import pytest
import tensorflow as tf

import bnn
from tests.diagnostics.audit_cases import B


@pytest.fixture
def batch(rng):
    x = rng.normal(size=(B, 3)).astype("float32")
    return tf.constant(x), tf.constant((x @ [[1.0], [2.0], [-1.0]]).astype("float32"))


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    layer = bnn.layers.Dense(1, kernel_posterior=bnn.posteriors.MeanFieldNormal(0.3))
    return keras.Sequential([keras.Input((3,)), layer])
