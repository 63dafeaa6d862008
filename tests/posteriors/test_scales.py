import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.posteriors import Exponential, Softplus

TRANSFORMS = pytest.mark.parametrize(
    "transform", [Softplus(), Exponential()], ids=lambda t: type(t).__name__
)


@TRANSFORMS
@pytest.mark.parametrize("scale", [1e-20, 1e-8, 1e-3, 0.02, 0.5, 1.0, 3.0, 50.0, 1e4])
def test_inverse(transform, scale):
    actual = transform(tf.constant(transform.inverse(scale), tf.float32))
    assert float(actual) == pytest.approx(scale, rel=1e-5)


@TRANSFORMS
def test_increasing_positive_float32(transform):
    rho = tf.linspace(-20.0, 10.0, 301)
    sigma = transform(rho)
    assert sigma.dtype == tf.float32
    assert np.all(sigma > 0)
    assert np.all(np.diff(sigma) > 0)


def test_closed_forms():
    rho = np.linspace(-5, 5, 11).astype(np.float32)
    np.testing.assert_allclose(Softplus()(rho), np.log1p(np.exp(rho)), rtol=1e-5)
    np.testing.assert_allclose(Exponential()(rho), np.exp(rho), rtol=1e-5)


@TRANSFORMS
def test_serialization(transform):
    config = keras.saving.serialize_keras_object(transform)
    assert type(keras.saving.deserialize_keras_object(config)) is type(transform)
