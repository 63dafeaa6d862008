"""KL(q ‖ p) of one tensor: closed forms, Monte Carlo, quadrature and the registry."""

import numpy as np
import pytest
import tensorflow as tf
from kl_cases import MIXTURES, PLACES, WithoutEntropy, constant, dense, kl, moments
from tensorflow_probability import distributions as tfd

import bnn
from bnn import divergences
from bnn.divergences import MonteCarlo, Quadrature, estimate_at, kl_terms, register_kl
from bnn.noise import Noise, Purpose
from bnn.posteriors import Exponential, MeanFieldNormal, Point
from bnn.priors import Normal, ScaleMixture

# --- Closed forms -----------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [None, Exponential()])
def test_normal_to_the_standard_normal(transform, rng):
    """KL(N(m, s²) ‖ N(0, 1)) = −ln s + (s² + m² − 1)/2, summed over the elements."""
    layer = dense(MeanFieldNormal(0.5, transform), rng=rng)
    [site] = layer.sites
    m, s = np.float64(site.posterior.mean), np.float64(site.posterior.scale)
    expected = np.sum(-np.log(s) + (s**2 + m**2 - 1) / 2)
    assert kl(layer) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "prior", [Normal(0.7, 2.0), Normal(-1.0, 0.1), Normal(0.3, 0.5, trainable=True)]
)
def test_normal_to_any_normal(prior, rng):
    """KL(N(m, s²) ‖ N(l, t²)) is that of the standardised (m − l)/t and s/t."""
    layer = dense(MeanFieldNormal(0.5), prior, rng=rng)
    [site] = layer.sites
    location, spread = (np.float64(v) for v in (site.prior.loc, site.prior.distribution().scale))
    m = (np.float64(site.posterior.mean) - location) / spread
    s = np.float64(site.posterior.scale) / spread
    assert kl(layer) == pytest.approx(np.sum(-np.log(s) + (s**2 + m**2 - 1) / 2), rel=1e-5)


def test_zero_where_posterior_and_prior_agree():
    layer = dense(MeanFieldNormal(0.4), Normal(0.0, 0.4))
    layer.kernel_posterior._loc.assign(np.zeros((3, 2)))
    assert kl(layer) == pytest.approx(0, abs=1e-5)


def test_gradient(rng):
    """d KL / dm = m and d KL / ds = s − 1/s for the standard normal prior."""
    layer = dense(MeanFieldNormal(0.5, Exponential()), rng=rng)
    posterior = layer.kernel_posterior
    with tf.GradientTape() as tape:
        total = bnn.ledger(layer)["0_dense/kernel"]
    loc, rho = tape.gradient(total, [v.value for v in layer.trainable_variables])
    s = posterior.scale
    np.testing.assert_allclose(loc, posterior.mean, rtol=1e-5)
    np.testing.assert_allclose(rho, (s - 1 / s) * s, rtol=1e-4, atol=1e-6)  # ds/dρ = s


@pytest.mark.parametrize("prior", [Normal(0.5, 2.0), ScaleMixture(0.3, 1.0, 0.1)])
def test_point_counts_minus_the_log_prior_density(prior, rng):
    layer = dense(Point(), prior, rng=rng)
    log_prob = prior.distribution().log_prob(layer.kernel_posterior.mean)
    assert kl(layer) == pytest.approx(-np.sum(log_prob), rel=1e-5)


# --- Monte Carlo --------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", MIXTURES)
@pytest.mark.parametrize(("m", "s"), PLACES)
def test_monte_carlo_against_a_grid(prior, m, s, z_limit):
    """The sum over n equal elements against n ∫ q ln(q/p), in standard errors √(n Var_q[ln p])."""
    rows, columns = 64, 1024
    layer = constant(m, s, prior, (rows, columns))
    mean, squares, expected = moments(m, s, prior)
    n = rows * columns
    error = np.sqrt(n * (squares - mean**2))
    value = kl(layer, kl=MonteCarlo(1, antithetic=False))
    assert abs(value - n * expected) / error < z_limit


@pytest.mark.parametrize(
    "estimate", [MonteCarlo(1, antithetic=False), MonteCarlo(3, antithetic=False), MonteCarlo(4)]
)
def test_monte_carlo_is_unbiased(estimate, assert_mean):
    """Value, and gradient in μ and ln σ, against differences of the grid's."""
    prior, m, s, h = ScaleMixture(0.4, 1.0, 0.1), 0.15, 0.1, 1e-4
    layer = constant(m, s, prior, (1, 1))
    variables = [v.value for v in layer.trainable_variables]

    def one(step):
        with tf.GradientTape() as tape:
            value = bnn.ledger(layer, seed=3, step=step, kl=estimate)["0_dense/kernel"]
        return tf.stack([value, *(tf.reshape(g, []) for g in tape.gradient(value, variables))])

    @tf.function(jit_compile=True)
    def run():
        return tf.map_fn(one, tf.range(20_000), fn_output_signature=tf.float32)

    def exact(m, log_s):
        *_, value = moments(m, np.exp(log_s), prior)
        return value

    mean = (exact(m + h, np.log(s)) - exact(m - h, np.log(s))) / (2 * h)
    scale = (exact(m, np.log(s) + h) - exact(m, np.log(s) - h)) / (2 * h)
    assert_mean(run(), [exact(m, np.log(s)), mean, scale])


def gradient_spread(estimate, mixture):
    """Standard deviation of the KL's gradient in μ at N(.05, .02²)."""
    size = 2**14
    layer = constant(0.05, 0.02, mixture, (size, 1))
    loc = layer.kernel_posterior._loc.value
    with tf.GradientTape() as tape:
        value = bnn.ledger(layer, seed=1, kl=estimate)["0_dense/kernel"]
    return float(np.std(tape.gradient(value, loc)))


def test_an_antithetic_pair_cancels_the_errors_of_odd_order():
    """The numbers of the docstring, to a few of their standard errors."""
    single = MonteCarlo(1, antithetic=False)
    smooth, spiked = ScaleMixture(0.25, 1.0, 0.1), ScaleMixture(0.5, 1.0, 0.0025)
    assert gradient_spread(single, smooth) == pytest.approx(1.90, rel=0.05)
    assert gradient_spread(MonteCarlo(2), smooth) == pytest.approx(0.017, rel=0.3)
    assert gradient_spread(single, spiked) == pytest.approx(98, rel=0.1)
    assert gradient_spread(MonteCarlo(2), spiked) == pytest.approx(69, rel=0.1)


@pytest.mark.parametrize("antithetic", [False, True])
def test_samples_are_averaged(antithetic):
    layer = dense(MeanFieldNormal(0.3), ScaleMixture(0.25, 1.0, 0.2))
    [site] = layer.sites
    noise = Noise(5, 2, purpose=Purpose.KL, antithetic=antithetic)
    samples = [site.posterior.sample(noise.at(sample=k)) for k in range(4)]
    prior = site.prior.distribution()
    entropy = tf.reduce_sum(site.posterior.distribution().entropy())
    expected = -float(entropy) - np.mean([tf.reduce_sum(prior.log_prob(w)) for w in samples])
    value = kl(layer, seed=5, step=2, kl=MonteCarlo(4, antithetic))
    assert value == pytest.approx(expected, rel=1e-5)


def test_one_antithetic_pair_is_the_default():
    layer = dense(MeanFieldNormal(0.3), ScaleMixture())
    assert kl(layer, seed=5) == kl(layer, seed=5, kl=MonteCarlo(2, antithetic=True))
    assert kl(layer, seed=5) != kl(layer, seed=5, kl=MonteCarlo(2, antithetic=False))


def test_without_an_entropy_the_density_is_sampled_too():
    layer = dense(WithoutEntropy(0.3), Normal(0.5, 2.0))
    [site] = layer.sites
    noise = Noise(5, purpose=Purpose.KL, antithetic=True)
    samples = [site.posterior.sample(noise.at(sample=k)) for k in range(2)]
    ratios = [site.posterior.log_prob(w) - tf.reduce_sum(site.prior.log_prob(w)) for w in samples]
    assert kl(layer, seed=5) == pytest.approx(float(np.mean(ratios)), rel=1e-5)


# --- The registry -------------------------------------------------------------------------------


@pytest.fixture
def own_registry(monkeypatch):
    module = divergences.divergence
    monkeypatch.setattr(module, "_CLOSED_FORMS", dict(module._CLOSED_FORMS))


class Wide(MeanFieldNormal):
    """A subclass: its KL need not be that of its base."""


class Flat(Normal):
    """A subclass of a prior."""


def test_a_registered_pair_is_used_and_no_other(own_registry):
    register_kl(Wide, Normal)(lambda posterior, prior: tf.fill(posterior.shape, 7.0))
    assert kl(dense(Wide(0.3))) == pytest.approx(42.0)
    assert kl(dense(MeanFieldNormal(0.3))) != pytest.approx(42.0)


def test_subclasses_do_not_inherit(own_registry):
    """Neither of posteriors nor of priors: they get what TFP, or an estimate, says of them."""

    def wrong(posterior, prior):
        raise AssertionError("the closed form of another pair")

    divergences.divergence._CLOSED_FORMS[MeanFieldNormal, Normal] = wrong
    expected = tfd.kl_divergence(tfd.Normal(tf.zeros((3, 2)), 0.3), tfd.Normal(0.0, 1.0))
    for layer in (constant(0.0, 0.3, Flat()), dense(Wide(0.3))):
        layer.kernel_posterior._loc.assign(np.zeros((3, 2)))
        assert kl(layer) == pytest.approx(float(tf.reduce_sum(expected)), rel=1e-5)
    with pytest.raises(AssertionError, match="of another pair"):
        kl(dense())


def test_a_pair_is_registered_once(own_registry):
    message = r"KL\(MeanFieldNormal ‖ Normal\) is registered already; subclass one of the families"
    with pytest.raises(ValueError, match=message):
        register_kl(MeanFieldNormal, Normal)(lambda posterior, prior: tf.zeros(()))


def test_a_registered_form_of_a_point_is_preferred(own_registry):
    register_kl(Point, Normal)(lambda posterior, prior: tf.zeros(posterior.shape))
    assert kl(dense(Point())) == 0


def test_the_closed_form_agrees_with_tfp(rng):
    layer = dense(MeanFieldNormal(0.5), Normal(0.7, 2.0), rng=rng)
    [site] = layer.sites
    [form] = kl_terms(site.posterior, site.prior, Noise(0), MonteCarlo())
    expected = tfd.kl_divergence(site.posterior.distribution(), site.prior.distribution())
    np.testing.assert_allclose(form, expected, rtol=1e-4, atol=1e-5)


# --- The choice by site -------------------------------------------------------------------------


def test_the_first_pattern_that_matches():
    quadrature, samples = Quadrature(), MonteCarlo(8)
    choice = {"*/kernel": quadrature, "0_dense/*": samples}
    assert estimate_at(choice, "0_dense/kernel") is quadrature
    assert estimate_at(choice, "0_dense/bias") is samples
    assert estimate_at(choice, "1_dense/bias").num_samples == 2
    assert estimate_at(quadrature, "any") is quadrature
    assert estimate_at(None, "any").antithetic


# --- Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_samples", [0, -1, 1.5, None])
def test_unusable_num_samples(num_samples):
    with pytest.raises(
        ValueError, match=f"num_samples must be an integer of at least 1, got {num_samples}"
    ):
        MonteCarlo(num_samples, antithetic=False)


def test_odd_number_of_samples_in_pairs():
    message = "num_samples must be even for antithetic pairs, got 3; use 4, or antithetic=False"
    with pytest.raises(ValueError, match=message):
        MonteCarlo(3)
