"""An exported model gives recalibrated probabilities, those of the map that was fitted."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn.predictive import (
    LAC,
    Calibration,
    IsotonicScaling,
    MatrixScaling,
    TemperatureScaling,
    VectorScaling,
)
from bnn.predictive.export_scaling import recalibration

CLASSES = bnn.likelihoods.Categorical()


@pytest.fixture
def held_out(rng):
    probs = rng.dirichlet(np.ones(3), size=200)
    return probs, np.array([rng.choice(3, p=row) for row in probs])


@pytest.fixture
def network():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((2,)), bnn.layers.Dense(3)])


@pytest.mark.parametrize("scaling", [TemperatureScaling, VectorScaling, MatrixScaling])
def test_the_map_is_the_fitted_one(held_out, network, scaling):
    probs, labels = held_out
    fitted = scaling().fit(probs, labels)
    certain = np.array([[1.0, 0.0, 0.0]])
    both = np.concatenate([probs, certain])
    for given in (fitted, Calibration(fitted)):
        of_tensors = recalibration(given, network, CLASSES)
        np.testing.assert_allclose(of_tensors(tf.constant(both)), fitted(both), rtol=1e-9)
    assert recalibration(None, network, CLASSES) is None


def test_refusals(held_out, network, tmp_path):
    probs, labels = held_out
    isotonic = IsotonicScaling().fit(probs, labels)
    for given in (isotonic, Calibration(conformal=LAC(0.9)), 1.3):
        with pytest.raises(ValueError, match=r"calibration must be a fitted TemperatureScaling"):
            bnn.export(network, tmp_path / "no", CLASSES, calibration=given)
    with pytest.raises(ValueError, match="TemperatureScaling must be fitted first"):
        bnn.export(network, tmp_path / "no", CLASSES, calibration=TemperatureScaling())
    fitted = TemperatureScaling().fit(probs, labels)
    with pytest.raises(ValueError, match="calibration is of classes, got the likelihood Normal"):
        bnn.export(network, tmp_path / "no", bnn.likelihoods.Normal(), calibration=fitted)
    with pytest.raises(ValueError, match=r"got prune, calibration or units; leave them out"):
        bnn.export(network, tmp_path / "no.tflite", CLASSES, calibration=fitted)
    two = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(2)])
    with pytest.raises(ValueError, match="the model's 2 outputs, got a map of 3 classes"):
        bnn.export(two, tmp_path / "no", CLASSES, calibration=fitted)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_server_says_both(held_out, network, tmp_path, rng):
    fitted = Calibration(TemperatureScaling(), LAC(0.9)).fit(*held_out)
    bnn.export(network, tmp_path / "model", CLASSES, num_samples=8, calibration=fitted)
    served = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    x = rng.normal(size=(5, 2)).astype("float32")
    said = served(inputs=tf.constant(x))
    own = bnn.predictive(network, CLASSES, x, num_samples=8)
    np.testing.assert_allclose(said["mean"], own.mean, rtol=1e-5)
    np.testing.assert_allclose(said["calibrated_mean"], fitted.probs(own), rtol=1e-5)
