"""The marginal likelihood's derivatives: finite differences, and the closed form's own."""

import numpy as np
import pytest
import tensorflow as tf

from bnn.methods import Laplace
from tests.methods.laplace_cases import Network, conjugate, fitted

STEP = 1e-5


def gradients(laplace, precision, noise=1.0):
    """Of the evidence in δ and in the noise's factor."""
    arguments = [tf.constant(precision, tf.float64), tf.constant(noise, tf.float64)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = laplace.log_marginal_likelihood(*arguments)
    return [part.numpy() for part in tape.gradient(value, arguments)]


def closed_form(regression, precision, factor):
    """d ln N(y; X m, V) / dδ and / dc at fixed weights' evidence, V = c² τ² I + X Xᵀ / δ.

    With r = y − X m, d ln N = ½ tr[(V⁻¹ r rᵀ V⁻¹ − V⁻¹) dV].
    """
    x, y = regression.inputs.astype(float), regression.targets[:, 0].astype(float)
    noise = regression.noise_scale
    inverse = np.linalg.inv((factor * noise) ** 2 * np.eye(len(x)) + x @ x.T / precision)
    pulled = inverse @ (y - x @ np.full(3, regression.prior_loc))
    inner = np.outer(pulled, pulled) - inverse
    in_precision = 0.5 * np.trace(inner @ (-(x @ x.T) / precision**2))
    return in_precision, 0.5 * np.trace(inner) * 2 * factor * noise**2


@pytest.mark.parametrize("structure", ["full", "kfac", "low_rank"])
def test_derivatives_are_those_of_the_gaussian_evidence(structure):
    """At the mode of this very prior and noise, where the mode's own move counts for nothing."""
    case = conjugate()
    laplace = fitted(*case, Laplace(structure))
    precision = case[0].prior_scale ** -2
    found = gradients(laplace, precision)
    np.testing.assert_allclose(found, closed_form(case[0], precision, 1.0), rtol=2e-4, atol=1e-4)


@pytest.mark.parametrize("structure", ["full", "diagonal", "kfac", "low_rank"])
def test_derivatives_by_layer_are_finite_differences(structure):
    laplace = Network().fit(Laplace(structure, prior_precision="layer"))
    precision = np.array([0.7, 3.0])
    slopes, _ = gradients(laplace, precision)
    for layer in range(2):
        step = STEP * np.eye(2)[layer]
        sides = [float(laplace.log_marginal_likelihood(precision + s)) for s in (step, -step)]
        assert slopes[layer] == pytest.approx((sides[0] - sides[1]) / (2 * STEP), rel=1e-6)
    # One by weight, of which a layer's is the sum; "kfac" reads one a tensor.
    if structure != "kfac":
        groups = laplace.weights.groups(by_layer=True)
        each, _ = gradients(laplace, precision[groups])
        np.testing.assert_allclose(np.bincount(groups, each), slopes, rtol=1e-9)


@pytest.mark.parametrize("structure", ["full", "diagonal", "kfac", "low_rank"])
def test_derivatives_in_the_noise_are_finite_differences(structure):
    laplace = fitted(*conjugate(), Laplace(structure))
    slope = gradients(laplace, 0.9, 1.3)[1]
    sides = [float(laplace.log_marginal_likelihood(0.9, 1.3 + s)) for s in (STEP, -STEP)]
    assert slope == pytest.approx((sides[0] - sides[1]) / (2 * STEP), rel=1e-6)


def test_the_precisions_that_layers_choose_have_no_slope_left():
    laplace = Network().fit(Laplace("low_rank", prior_precision="layer"))
    deltas = list(laplace.describe()["prior_precision"].values())
    assert deltas[0] == deltas[1] != deltas[2] == deltas[3]
    chosen = np.array([deltas[0], deltas[2]])
    slopes, _ = gradients(laplace, chosen)
    assert np.abs(slopes * chosen).max() < 1e-4  # in ln δ, which is what was maximised
