"""Priors that are matched to a Gaussian process in function space."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import conversion, priors
from bnn.noise import Noise
from bnn.priors.processes import Process

module = importlib.import_module("bnn.conversion.match_priors")


class Linear(Process):
    """f(x) = x w, w ~ N(0, s²)."""

    def __init__(self, scale):
        self.scale = scale

    def covariance(self, inputs):
        return self.scale**2 * tf.matmul(inputs, inputs, transpose_b=True)


def linear_model(scale, outputs=1):
    prior = priors.FunctionSpaceNormal(scale)
    layer = bnn.layers.Dense(outputs, use_bias=False, kernel_prior=prior)
    return keras.Sequential([keras.Input((2,)), layer])


def grid(size=200):
    return np.random.default_rng(0).uniform(-2, 2, size=(size, 2)).astype(np.float32)


def distances(model, process, count=256):
    """D of many steps at fixed points."""
    points = tf.constant(grid(8))

    @tf.function(autograph=False)
    def run():
        return tf.map_fn(
            lambda step: module.functional_distance(model, process, points, 16, Noise(1, step)),
            tf.range(count),
            fn_output_signature=tf.float32,
        )

    return run().numpy()[:, np.newaxis]


@pytest.mark.parametrize("start", [0.2, 2.0])
def test_the_prior_of_a_linear_model_is_found(start):
    """f = x w with w ~ N(0, s²) is the linear process: s must become its scale."""
    model = linear_model(start)
    found = conversion.match_priors(model, Linear(0.7), grid(), steps=300, num_points=4)
    [site] = bnn.sites(model).values()
    assert float(site.prior.current_scale()) == pytest.approx(0.7, rel=0.05)
    assert found[-50:].mean() < 0.1 * found[:10].mean()


def test_distance_is_zero_for_equal_laws_and_for_them_alone(assert_mean):
    assert_mean(distances(linear_model(0.7, 2), Linear(0.7)), 0.0)
    other = distances(linear_model(0.9, 2), Linear(0.7))
    assert other.mean() > 6 * other.std() / len(other) ** 0.5


def test_a_distance_with_its_own_pairs_is_caught(assert_mean, monkeypatch):
    """The defect: the mean over all S² pairs, zeros among them, which is biased."""

    def biased(first, second):
        across, within = (
            tf.reduce_mean(module._distances(first, second)),
            sum(tf.reduce_mean(module._distances(s, s)) for s in (first, second)),
        )
        return 2 * across - within

    monkeypatch.setattr(module, "energy_distance", biased)
    with pytest.raises(AssertionError, match="z-scores"):
        assert_mean(distances(linear_model(0.7, 2), Linear(0.7)), 0.0)


def test_functions_of_a_process_have_its_covariance(assert_mean):
    process = priors.SquaredExponential(0.8, 1.5)
    points = tf.constant(grid(4))
    f = process.sample(points, 20_000, Noise(3)).numpy().astype(np.float64)
    i, j = np.triu_indices(4)
    gaps = np.linalg.norm(grid(4)[i] - grid(4)[j], axis=1)
    assert_mean(f[:, i] * f[:, j], 0.64 * np.exp(-0.5 * gaps**2 / 2.25))


def test_a_network_comes_nearer_and_keeps_its_prior(tmp_path):
    """Its law of functions; training does not move it, saving keeps it."""
    keras.utils.set_random_seed(0)
    options = {f"{part}_prior": priors.FunctionSpaceNormal() for part in ("kernel", "bias")}
    model = keras.Sequential(
        [
            keras.Input((2,)),
            bnn.layers.Dense(16, activation="tanh", **options),
            bnn.layers.Dense(1, **options),
        ]
    )
    process = priors.SquaredExponential(1.0, 2.0)
    found = conversion.match_priors(model, process, grid(), steps=150, num_points=8)
    assert found[-30:].mean() < 0.3 * found[:5].mean()
    assert not any("prior" in v.path for v in model.trainable_variables)
    scales = [float(s.prior.current_scale()) for s in bnn.sites(model).values()]
    assert len(set(scales)) == 4
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    assert [float(s.prior.current_scale()) for s in bnn.sites(other).values()] == scales


def test_refusals():
    process = priors.SquaredExponential()
    plain = keras.Sequential([keras.Input((2,)), bnn.layers.Dense(1)])
    with pytest.raises(ValueError, match="must have a prior to match, got none; give its layers"):
        conversion.match_priors(plain, process, grid())
    with pytest.raises(ValueError, match="num_points must be from 1 to the 20 inputs, got 32"):
        conversion.match_priors(linear_model(1.0), process, grid(20))
    with pytest.raises(ValueError, match="num_samples must be at least 2, got 1: pairs"):
        conversion.match_priors(linear_model(1.0), process, grid(), num_samples=1)
    mixed = bnn.layers.Dense(
        1, kernel_prior=priors.FunctionSpaceNormal(), bias_prior=priors.Laplace()
    )
    model = keras.Sequential([keras.Input((2,)), mixed])
    with pytest.raises(ValueError, match="need normal priors of independent elements, got Laplac"):
        conversion.match_priors(model, process, grid())
    with pytest.raises(ValueError, match="FunctionSpaceNormal has no variable yet: build its lay"):
        priors.FunctionSpaceNormal().current_scale()
    with pytest.raises(ValueError, match="length_scale must be a positive finite number, got 0"):
        priors.SquaredExponential(length_scale=0)
