import keras
import numpy as np
import pytest

from bnn.noise import Noise
from bnn.posteriors import Point


@pytest.fixture
def built():
    layer, posterior = keras.layers.Layer(), Point()
    posterior.build(layer, "bias", (4,), keras.initializers.Constant(0.5), keras.regularizers.L1(1))
    return layer, posterior


def test_one_variable_with_the_initializer_and_regularizer(built):
    layer, posterior = built
    assert [v.name for v in layer.trainable_variables] == ["bias_loc"]
    np.testing.assert_array_equal(posterior.mean, np.full(4, 0.5))
    assert float(layer.losses[0]) == 2.0


def test_flags(built):
    assert built[1].deterministic
    assert built[1].factorized
    assert not built[1].normal


def test_samples_are_the_mean(built):
    _, posterior = built
    for sample in range(3):
        noise = Noise(0, sample=sample)
        np.testing.assert_array_equal(posterior.sample(noise), posterior.mean)
        np.testing.assert_array_equal(posterior.perturbation(noise), np.zeros(4))


def test_distribution(built):
    _, posterior = built
    np.testing.assert_array_equal(posterior.distribution().mean(), posterior.mean)
    np.testing.assert_array_equal(posterior.distribution().variance(), np.zeros(4))


def test_clone_and_serialization(built):
    _, posterior = built
    config = keras.saving.serialize_keras_object(posterior)
    for copy in (posterior.clone(), keras.saving.deserialize_keras_object(config)):
        assert isinstance(copy, Point)
        with pytest.raises(ValueError, match="Point has no variables yet: call its layer"):
            _ = copy.mean


def test_its_variable_is_no_scale(built):
    layer, posterior = built
    assert posterior.variables == layer.trainable_variables
    assert posterior.scale_variables == []
