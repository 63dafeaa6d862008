"""The Gauss–Hermite estimate of a KL."""

import numpy as np
import pytest
import tensorflow as tf
from kl_cases import MIXTURES, PLACES, WithoutEntropy, constant, dense, kl, moments
from tensorflow_probability import distributions as tfd

import bnn
from bnn.divergences import Quadrature
from bnn.posteriors import MeanFieldNormal
from bnn.priors import Normal, Prior, ScaleMixture


@pytest.mark.parametrize(
    ("prior", "place"),
    [
        (MIXTURES[0], (0.7, 0.1)),
        (MIXTURES[1], (-1.5, 0.02)),
        (ScaleMixture(0.5, 1.0, 0.3), PLACES[0]),
    ],
)
def test_quadrature_against_a_grid(prior, place):
    """Where the log-density is smooth on the scale of q."""
    *_, expected = moments(*place, prior)
    value = kl(constant(*place, prior), kl=Quadrature(100))
    assert value == pytest.approx(6 * expected, rel=2e-3)


def test_quadrature_of_a_polynomial_is_exact(rng):
    """ln p of a normal prior has degree 2: two nodes do, whatever the closed form says."""
    layer = dense(MeanFieldNormal(0.5), Normal(0.7, 2.0), rng=rng)
    [site] = layer.sites
    for nodes in (2, 5, 64):
        shares = Quadrature(nodes).negative_expected_log_prior(site.posterior, site.prior, None)
        total = tf.reduce_sum(shares) - tf.reduce_sum(site.posterior.entropy())
        assert float(total) == pytest.approx(kl(layer), rel=1e-4)


def test_quadrature_has_no_noise_and_the_right_gradient():
    prior, m, s, h = ScaleMixture(0.5, 1.0, 0.3), 0.2, 0.1, 1e-4
    layer = constant(m, s, prior, (1, 1))
    assert kl(layer, seed=1, kl=Quadrature()) == kl(layer, seed=2, kl=Quadrature())
    with tf.GradientTape() as tape:
        value = bnn.ledger(layer, kl=Quadrature())["0_dense/kernel"]
    loc, rho = (float(g[0, 0]) for g in tape.gradient(value, [v.value for v in layer.variables]))

    def exact(m, log_s):
        *_, value = moments(m, np.exp(log_s), prior)
        return value

    log_s = np.log(s)
    assert loc == pytest.approx((exact(m + h, log_s) - exact(m - h, log_s)) / (2 * h), rel=1e-3)
    assert rho == pytest.approx((exact(m, log_s + h) - exact(m, log_s - h)) / (2 * h), rel=1e-3)


class Dependent(MeanFieldNormal):
    factorized = False


class NotNormal(MeanFieldNormal):
    normal = False


@pytest.mark.parametrize("kind", [Dependent, NotNormal])
def test_quadrature_needs_independent_normal_elements(kind):
    message = f"quadrature needs a posterior of independent normal elements, got {kind.__name__}; "
    with pytest.raises(ValueError, match=message + r"use bnn\.divergences\.MonteCarlo\(\)"):
        kl(dense(kind(0.3), ScaleMixture()), kl=Quadrature())


class Joint(Prior):
    """A prior of the whole tensor."""

    def distribution(self):
        return tfd.Independent(tfd.Normal(tf.zeros((3, 2)), 1.0), 2)

    def get_config(self):
        return {}


def test_quadrature_needs_a_prior_of_independent_elements():
    message = r"quadrature needs a prior of independent elements, got Joint; use bnn\.div"
    with pytest.raises(ValueError, match=message):
        kl(dense(MeanFieldNormal(0.3), Joint()), kl=Quadrature())


def test_quadrature_needs_an_entropy():
    message = r"WithoutEntropy has no entropy in closed form, which Quadrature needs; use .*Monte"
    with pytest.raises(ValueError, match=message):
        kl(dense(WithoutEntropy(0.3), ScaleMixture()), kl=Quadrature())


@pytest.mark.parametrize("num_nodes", [0, 201, 2.0])
def test_unusable_num_nodes(num_nodes):
    with pytest.raises(
        ValueError, match=f"num_nodes must be an integer from 1 to 200, got {num_nodes}"
    ):
        Quadrature(num_nodes)
