"""The probe against the closed form of a quadratic: f(w) = Σ (w − t)² / 2, w ~ N(μ, σ²)."""

import dataclasses
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn import Draw, estimators, layers, likelihoods, posteriors
from bnn.inference import GradientNoiseProbe, Method, Problem

SCALE = 0.5


class Terms(NamedTuple):
    loss: tf.Tensor


class Quadratic(Method):
    def loss(self, problem, inputs, targets, step, training=True):
        assert not training  # the probe only looks
        with Draw(problem.seed, problem.estimator, step=step):
            outputs = problem.model(inputs)
        return Terms(0.5 * tf.reduce_sum(tf.square(outputs - targets)))

    def predict(self, problem, inputs, num_samples, seed):
        raise NotImplementedError

    def describe(self):
        return {}


@pytest.fixture(scope="module")
def problem():
    layer = layers.Dense(6, use_bias=False, kernel_posterior=posteriors.MeanFieldNormal(SCALE))
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.kernel_loc.assign(np.linspace(-1.0, 1.0, 6)[np.newaxis])
    return Problem(
        model=model,
        likelihood=likelihoods.Normal(),
        estimator=estimators.Reparameterization(),
        num_train=1,
        total_steps=1,
        seed=3,
        jit_compile=True,
    )


def measure(problem, probe):
    layer = problem.model.layers[0]
    groups = {"loc": [layer.kernel_loc]}
    inputs, targets = tf.ones((1, 1)), tf.zeros((1, 6))
    return probe.measure(Quadratic(), problem, groups, inputs, targets, 7)


def test_moments_are_those_of_the_closed_form(problem):
    n = 4000
    values = measure(problem, GradientNoiseProbe(num_draws=n))
    # The gradient in μ is w itself: mean μ, variance σ² in each of six dimensions. The trace's
    # relative standard error is √(2 / (6 n)) = 0.009; five of them, one false alarm in 10⁶.
    variance = values["probe/Reparameterization/loc/variance"]
    assert variance == pytest.approx(6 * SCALE**2, rel=5 * np.sqrt(2 / (6 * n)))
    norm = np.linalg.norm(np.linspace(-1.0, 1.0, 6))
    snr = norm / np.sqrt(6 * SCALE**2)
    assert values["probe/Reparameterization/loc/snr"] == pytest.approx(snr, rel=0.06)
    seconds = values["probe/Reparameterization/seconds"]
    assert seconds > 0
    product = values["probe/Reparameterization/loc/variance_x_seconds"]
    assert product == pytest.approx(variance * seconds)


def test_an_estimator_without_noise_has_no_variance(problem):
    values = measure(
        dataclasses.replace(problem, estimator=estimators.Mean()), GradientNoiseProbe(num_draws=8)
    )
    assert values["probe/Mean/loc/variance"] == 0.0


def test_alternatives_are_measured_beside_the_run_s_own(problem):
    probe = GradientNoiseProbe((estimators.Mean(), estimators.Reparameterization()), num_draws=4)
    before = [v.numpy() for v in problem.model.variables]
    values = measure(problem, probe)
    names = {key.split("/")[1] for key in values}
    assert names == {"Reparameterization", "Mean", "Reparameterization_2"}
    for variable, value in zip(problem.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_turns():
    probe = GradientNoiseProbe(every=3)
    assert [probe.due(report) for report in range(1, 7)] == [False, False, True] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "every must be at least 1 report, got 0"),
        ({"num_draws": 1}, "num_draws must be at least 2 to estimate a variance, got 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientNoiseProbe(**arguments)
