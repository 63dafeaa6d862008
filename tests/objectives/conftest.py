"""A model and data for objectives."""

import keras
import pytest
import tensorflow as tf

import bnn


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((3,)), bnn.layers.Dense(2)])


@pytest.fixture
def data(rng):
    return tf.constant(rng.normal(size=(6, 3)), tf.float32), rng.integers(0, 2, 6)
