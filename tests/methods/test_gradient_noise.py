"""The probe against the closed form of a quadratic: f(w) = Σ (w − t)² / 2, w ~ N(μ, σ²)."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn import Draw, estimators, layers, likelihoods, posteriors
from bnn.data import Batch
from bnn.methods import MAP, GradientNoiseProbe, Info, Method, Problem

SCALE = 0.5


class Quadratic(Method):
    uses_optimizer = False

    def __init__(self, estimator):
        self.estimator = estimator

    def loss(self, batch, noise, training=True, estimator=None):
        assert not training  # the probe only looks
        with Draw(noise.seed, estimator, step=noise.step):
            outputs = self.problem.model(batch.inputs)
        return Info(0.5 * tf.reduce_sum(tf.square(outputs - batch.targets)), {})

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
        num_train=1,
        total_steps=1,
        seed=3,
        jit_compile=True,
    )


def measure(problem, probe, estimator=None, target=0.0):
    method = Quadratic(estimator or estimators.Reparameterization())
    method.build(problem)
    groups = {"loc": [problem.model.layers[0].kernel_loc]}
    return probe.measure(method, groups, Batch(tf.ones((1, 1)), tf.fill((1, 6), target)), 7)


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


def test_the_squared_signal_to_noise_is_unbiased_with_few_draws(problem, assert_mean):
    """snr² · variance over many probes of 4 draws has the mean ‖μ‖²; before, ‖μ‖² + tr / 4.

    The mean is large enough against the noise that no estimate is clamped at zero.
    """
    layer, start = problem.model.layers[0], problem.model.layers[0].kernel_loc.numpy()
    layer.kernel_loc.assign(np.full((1, 6), 0.8))
    try:
        probe, squares = GradientNoiseProbe(num_draws=4), []
        for seed in range(400):
            if seed == 0:
                moving = keras.Variable(0, dtype="int64", trainable=False)
                own = dataclasses.replace(problem, seed=moving)
            moving.assign(1000 * seed)
            values = measure(own, probe)
            name = "probe/Reparameterization/loc"
            squares.append(values[f"{name}/snr"] ** 2 * values[f"{name}/variance"])
    finally:
        layer.kernel_loc.assign(start)
    assert min(squares) > 0
    expected = 6 * 0.8**2
    assert_mean(squares, expected)
    biased = np.mean(squares) + 6 * SCALE**2 / 4
    assert abs(biased - expected) > 6 * np.std(squares) / 20, "the test could not see the bias"


def test_pure_noise_is_seen_as_none(problem):
    """At the optimum the mean gradient is 0: half of the estimates are clamped, none is 1/√n."""
    layer, start = problem.model.layers[0], problem.model.layers[0].kernel_loc.numpy()
    layer.kernel_loc.assign(np.zeros((1, 6)))
    try:
        values = measure(problem, GradientNoiseProbe(num_draws=1000))
    finally:
        layer.kernel_loc.assign(start)
    assert values["probe/Reparameterization/loc/snr"] < 1 / np.sqrt(1000)


def test_an_estimator_without_noise_has_no_variance(problem):
    values = measure(problem, GradientNoiseProbe(num_draws=8), estimators.Mean())
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


def test_a_method_without_estimators_is_refused():
    with pytest.raises(ValueError, match=r"estimators of VariationalInference, got method MAP"):
        GradientNoiseProbe().check(MAP())


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
