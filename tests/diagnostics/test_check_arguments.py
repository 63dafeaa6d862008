"""What check_estimator refuses, and how it says so."""

from unittest import mock

import numpy as np
import pytest

from bnn import estimators as e
from bnn import layers, operators
from bnn.diagnostics import Simulation, check_estimator, make_subject
from bnn.diagnostics.simulation import CHUNK
from bnn.noise import Noise
from bnn.posteriors import MeanFieldNormal


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"checks": ("moment",)}, r"checks must be among .*'moments'.*, got \['moment'\]"),
        ({"false_alarm_rate": 0.0}, "false_alarm_rate must lie strictly between 0 and 1, got 0.0"),
        ({"num_draws": 0}, "num_draws must be positive and at most max_draws, got num_draws=0"),
        ({"num_draws": 2**20}, "got num_draws=1048576 and max_draws=262144"),
    ],
)
def test_unusable_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        check_estimator(e.Mean(), layers.Dense(2), MeanFieldNormal(0.5), **arguments)


def test_an_operator_needs_the_shape_of_its_weights():
    with pytest.raises(ValueError, match=r"weight_shape must be given with an operator.*pass for"):
        check_estimator(e.Mean(), operators.Dense())


def test_a_layer_is_a_layer():
    with pytest.raises(ValueError, match="layer_or_operator must be a bnn layer or operator"):
        check_estimator(e.Mean(), "dense")


def test_the_layer_is_left_alone():
    layer = layers.Dense(2, activation="relu", kernel_regularizer="l2")
    subject = make_subject(e.Mean(), layer, MeanFieldNormal(0.5))
    assert not layer.built
    assert layer.activation.__name__ == "relu"
    assert layer.kernel_posterior.initial_scale != 0.5
    assert subject.layer.activation.__name__ == "linear"
    assert subject.layer.kernel_regularizer is None


def test_parameters_return_after_a_limit():
    subject = make_subject(e.Mean(), layers.Dense(2), MeanFieldNormal(0.5))
    before = [v.numpy() for v in subject.model.variables]
    with subject.at_scale(1e-3):
        for site in subject.sites:
            np.testing.assert_allclose(site.posterior.scale, 1e-3, rtol=1e-5)
    for variable, value in zip(subject.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("estimator", [e.Flipout(), e.ScoreFunction(e.LeaveOneOut())])
def test_tabled_noise_is_the_noise(estimator):
    subject = make_subject(estimator, layers.Dense(2), MeanFieldNormal(0.5))
    simulation = Simulation(subject, jit_compile=False, with_objective=False)
    generate = mock.Mock(side_effect=AssertionError("generated, though a table has it"))
    with mock.patch.object(Noise, "_transform", generate):
        bulk = simulation.chunk(seed=5, number=1).outputs
    for step in (0, 1, CHUNK - 1):
        with subject.draw(5, CHUNK + step):
            expected = subject.model(subject.inputs, training=True)
        np.testing.assert_allclose(bulk[step], expected, rtol=1e-5, atol=1e-6)
