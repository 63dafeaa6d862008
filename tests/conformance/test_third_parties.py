"""The contract serves classes that the framework does not know."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from bnn import layers, operators
from bnn.diagnostics import CHECKS, Verdict, check_estimator
from bnn.estimators import (
    BySite,
    Estimator,
    Flipout,
    LeaveOneOut,
    LocalReparameterization,
    Realisation,
    Reparameterization,
    ScoreFunction,
)
from bnn.posteriors import MeanFieldNormal, Posterior

CHEAP = tuple(check for check in CHECKS if check not in ("modes", "ledger"))


class WeightsPerExample(Estimator):
    """Weights of its own for every example (Kingma et al. 2015, the second row of table 1)."""

    couples_examples = False

    def __init__(self, name):  # an argument keeps it out of the list of fitting estimators
        self.name = name

    def realise(self, operator, posterior, noise, like):
        epsilon = noise.normal([like.shape[0], *posterior.shape], per_example=True)
        weights = posterior.mean + posterior.scale * epsilon

        def apply(inputs):
            outputs = [operator(inputs[b : b + 1], weights[b]) for b in range(inputs.shape[0])]
            return tf.concat(outputs, axis=0)

        return Realisation(apply)


class FullCovariance(Posterior):
    """q(w) = ∏ᵣ N(wᵣ; μᵣ, L Lᵀ) with wᵣ along the last axis."""

    symmetric = True
    normal = True

    def _build(self, layer, name, initializer, regularizer, constraint):
        size = self.shape[-1]
        self._loc = self.add_variable(
            layer, f"{name}_loc", shape=self.shape, initializer=initializer
        )
        self._factor = self.add_variable(
            layer,
            f"{name}_factor",
            shape=(size, size),
            initializer=keras.initializers.Constant(0.3),
        )

    @property
    def mean(self):
        return tf.convert_to_tensor(self._loc)

    @property
    def factor(self):
        factor = tf.convert_to_tensor(self._factor)
        return tf.linalg.set_diag(
            tf.linalg.band_part(factor, -1, 0), tf.exp(tf.linalg.diag_part(factor) - 1)
        )

    def distribution(self):
        return tfd.MultivariateNormalTriL(self.mean, self.factor)

    def perturbation(self, noise):
        return tf.linalg.matvec(self.factor, noise.normal(self.shape))

    def get_config(self):
        return {}


class ScaledDense(layers.Dense):
    """y = x W / √in + b."""

    def build(self, input_shape):
        self.add_affine(ScaledProduct(), (input_shape[-1], self.units), self.units)


class ScaledProduct(operators.Dense):
    def apply(self, inputs, weights):
        return super().apply(inputs, weights) / np.sqrt(inputs.shape[-1])

    def variance(self, inputs, variances):
        return operators.Dense().apply(inputs**2, variances) / inputs.shape[-1]


@pytest.mark.parametrize(
    "shape", [(3, 3), pytest.param((2, 3, 3), marks=pytest.mark.slow)], ids=["dense", "positions"]
)
def test_estimator_with_weights_per_example(shape):
    report = check_estimator(
        WeightsPerExample("own"),
        layers.Dense(2),
        MeanFieldNormal(0.5),
        checks=CHEAP,
        input_shape=shape,
    )
    assert report.ok, report


def test_a_wrong_declaration_fails():
    estimator = WeightsPerExample("own")
    estimator.couples_examples = True
    report = check_estimator(
        estimator, layers.Dense(2), MeanFieldNormal(0.5), checks=("moments",), num_draws=2**12
    )
    assert report["covariance across examples"].verdict is Verdict.FAIL, report


@pytest.mark.parametrize(
    "estimator",
    [Reparameterization(), pytest.param(ScoreFunction(LeaveOneOut()), marks=pytest.mark.slow)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_posterior_with_dependent_weights(estimator):
    report = check_estimator(estimator, layers.Dense(2), FullCovariance(), checks=CHEAP)
    assert report.ok, report
    assert report["limits of scale"].verdict is Verdict.SKIP
    assert report["KL kernel"].verdict is Verdict.PASS  # Monte Carlo against the joint closed form


@pytest.mark.parametrize("estimator", [Flipout(), LocalReparameterization()])
def test_an_unfit_posterior_is_refused(estimator):
    with pytest.raises(ValueError, match="cannot serve the posterior FullCovariance"):
        check_estimator(estimator, layers.Dense(2), FullCovariance())


def test_layer_with_its_own_operator():
    estimator = BySite({"scaled*/kernel": LocalReparameterization()}, Flipout())
    report = check_estimator(estimator, ScaledDense(2), MeanFieldNormal(0.5), checks=CHEAP)
    assert report.ok, report
