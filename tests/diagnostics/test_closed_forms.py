"""The oracles themselves, against formulas written out and other implementations."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats
from tensorflow_probability import distributions as tfd

from bnn import estimators as e
from bnn import layers, ledger, priors
from bnn.diagnostics import LinearGaussian, make_subject
from bnn.diagnostics.exact_kl import exact_kl
from bnn.diagnostics.linear_gaussian import coordinates, operator_jacobian
from bnn.posteriors import MeanFieldNormal


def numbers(site):
    return site.posterior.mean.numpy(), site.posterior.scale.numpy()


def test_moments_of_a_dense_layer():
    subject = make_subject(e.Reparameterization(), layers.Dense(2), MeanFieldNormal(0.5))
    exact = LinearGaussian(subject)
    x = subject.inputs.numpy()
    (m, s), (bias, bias_scale) = (numbers(site) for site in subject.sites)
    np.testing.assert_allclose(exact.mean(), (x @ m + bias).ravel(), rtol=1e-5)
    variance = (x**2 @ s**2 + bias_scale**2).ravel()
    np.testing.assert_allclose(exact.variance(), variance, rtol=1e-5)
    covariance = exact.covariance().reshape(3, 2, 3, 2)
    np.testing.assert_allclose(np.diag(exact.covariance()), variance, rtol=1e-5)
    across = sum(x[0, i] * x[2, i] * s[i, 1] ** 2 for i in range(4)) + bias_scale[1] ** 2
    assert covariance[0, 1, 2, 1] == pytest.approx(across, rel=1e-5)
    assert covariance[0, 0, 2, 1] == 0


@pytest.mark.parametrize(
    ("estimator", "examples", "positions"),
    [(e.LocalReparameterization(), False, False), (e.Flipout(), False, True), (e.Mean(), 0, 0)],
    ids=["local", "flipout", "mean"],
)
def test_covariance_as_declared(estimator, examples, positions):
    subject = make_subject(estimator, layers.Dense(1), MeanFieldNormal(0.5), input_shape=(2, 2, 3))
    covariance = LinearGaussian(subject).covariance().reshape(2, 2, 2, 2)
    bias_variance = numbers(subject.sites[1])[1] ** 2
    x, s = subject.inputs.numpy(), numbers(subject.sites[0])[1]
    exact = np.einsum("bti,i,cui->btcu", x, s[:, 0] ** 2, x)
    if not estimator.stochastic:
        assert not covariance.any()
        return
    assert bool(covariance[0, 0, 1, 1]) == examples
    kernel = exact[0, 0, 0, 1] if positions else 0.0  # the bias is one number for all positions
    assert covariance[0, 0, 0, 1] == pytest.approx(float(kernel + bias_variance[0]), rel=1e-5)


def test_loss_is_the_mean_over_many_weights(rng):
    subject = make_subject(e.Reparameterization(), layers.Dense(2), MeanFieldNormal(0.5))
    exact = LinearGaussian(subject)
    (m, s), (bias, bias_scale) = (numbers(site) for site in subject.sites)
    n = 20_000
    w = m + s * rng.normal(size=(n, *m.shape))
    b = bias + bias_scale * rng.normal(size=(n, 1, 2))
    y = np.einsum("bi,nio->nbo", subject.inputs.numpy(), w) + b
    density = stats.norm(y, subject.likelihood.scale.numpy()[0])
    nll = -density.logpdf(subject.targets.numpy()).sum(2).mean(1)
    z = (nll.mean() - float(exact.nll())) / (nll.std() / np.sqrt(n))
    assert abs(z) < 4
    total = sum(float(part) for part in ledger(subject.model).values())
    expected = float(exact.nll()) + total / subject.num_train
    assert float(exact.loss()) == pytest.approx(expected, rel=1e-6)


def test_mixture_kl_by_quadrature_agrees_with_adaptive_quadrature():
    prior = priors.ScaleMixture(0.3, 1.0, 0.01)
    subject = make_subject(e.Mean(), layers.Dense(1), MeanFieldNormal(0.5), prior=prior)
    site = subject.sites[1]
    mean, scale = (float(a[0]) for a in numbers(site))

    def integrand(w):
        q = stats.norm.pdf(w, mean, scale)
        p = 0.3 * stats.norm.pdf(w) + 0.7 * stats.norm.pdf(w, 0, 0.01)
        return q * (stats.norm.logpdf(w, mean, scale) - np.log(p))

    expected = integrate.quad(
        integrand, mean - 10 * scale, mean + 10 * scale, points=[-0.05, 0, 0.05], limit=500
    )[0]
    assert float(exact_kl(site)) == pytest.approx(expected, rel=1e-5)


def test_normal_kl_agrees_with_the_registered_one():
    prior = priors.Normal(0.3, 1.7)
    subject = make_subject(e.Mean(), layers.Dense(2), MeanFieldNormal(0.5), prior=prior)
    site = subject.sites[0]
    registered = tfd.kl_divergence(site.posterior.distribution(), prior.distribution())
    assert float(exact_kl(site)) == pytest.approx(float(tf.reduce_sum(registered)), rel=1e-5)


def test_jacobian_reproduces_the_operator(rng):
    subject = make_subject(
        e.Mean(),
        layers.Conv2D(4, 2, groups=2, strides=2),
        MeanFieldNormal(0.5),
        input_shape=(2, 4, 3, 4),
    )
    site = subject.sites[0]
    jacobian, shape = operator_jacobian(site, subject.inputs)
    weights = rng.normal(size=site.posterior.shape).astype(np.float32)
    expected = site.operator(subject.inputs, weights).numpy()
    assert shape == expected.shape
    np.testing.assert_allclose(jacobian @ weights.ravel(), expected.ravel(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (2, 3, 5, 4)), (1, (2, 4, 3, 5))])
def test_coordinates(axis, shape):
    example, position, channel = (a.reshape(shape) for a in coordinates(shape, axis))
    last = (1, 2, 1, 3) if axis == -1 else (1, 3, 1, 2)
    assert example[last] == 1
    assert channel[last] == 3
    assert len(np.unique(position)) == 15
