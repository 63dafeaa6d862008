import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from bnn.estimators import DefensiveMixture, Reparameterization, ScoreFunction
from bnn.noise import Noise
from bnn.operators import Dense
from bnn.posteriors import MeanFieldNormal

NOISE = Noise(4, step=2, site=1)
OPTIONS = pytest.mark.parametrize("proposal", [(2.0, 0.5), (3.0, 0.2)], ids=str, indirect=True)
MU, SIGMA = np.array([0.5, -1.0]), np.array([0.3, 2.0])


def normal(shape, loc, scale):
    posterior = MeanFieldNormal()
    posterior.build(keras.layers.Layer(), "bias", shape, "zeros")
    posterior._loc.assign(loc)
    inverse = np.vectorize(posterior.scale_transform.inverse)
    posterior._unconstrained_scale.assign(inverse(scale))
    return posterior


@pytest.fixture(scope="module")
def q():
    return normal((2,), MU, SIGMA)


@pytest.fixture(scope="module")
def proposal(request):
    return DefensiveMixture(*request.param)


@pytest.fixture(scope="module")
def draws(proposal, q):
    """20,000 weights from the proposal and their log q/r."""

    @tf.function(jit_compile=True)
    def run():
        def one(i):
            w = proposal.sample(q, Noise(0, sample=i))
            return w, proposal.log_weight(q, w)

        signature = (tf.TensorSpec((2,)), tf.TensorSpec(()))
        return tf.map_fn(one, tf.range(20_000), fn_output_signature=signature)

    return [np.float64(a) for a in run()]


def density(w, widening=1.0):
    return np.prod(scipy.stats.norm.pdf(w, MU, widening * SIGMA), axis=-1)


# --- Score ----------------------------------------------------------------------------------


def test_outputs_are_those_of_reparameterization_without_its_gradient(posterior):
    q, x = posterior((3, 2)), tf.ones((4, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = ScoreFunction().realise(Dense(), q, NOISE, x).apply(x)
    expected = Reparameterization().realise(Dense(), q, NOISE, x).apply(x)
    np.testing.assert_array_equal(outputs, expected)
    sources = [q._loc.value, q._unconstrained_scale.value, x]
    loc, rho, inputs = tape.gradient(outputs, sources)
    assert loc is None
    assert rho is None
    assert inputs is not None  # the layers below still get theirs


def test_score_and_its_gradient(posterior):
    """∇_μ log q = (w − μ)/σ² and ∇_σ log q = ((w − μ)²/σ² − 1)/σ, w held fixed."""
    q = posterior((3, 2))
    with tf.GradientTape(persistent=True) as tape:
        score = ScoreFunction().realise(Dense(), q, NOISE, tf.ones((4, 3))).score
        scale = q.scale
    w, mu, sigma = (np.float64(a) for a in (q.sample(NOISE), q.mean, q.scale))
    log_prob = scipy.stats.norm.logpdf(w, mu, sigma).sum()
    assert float(score) == pytest.approx(log_prob, rel=1e-5)
    loc = tape.gradient(score, q._loc.value)
    np.testing.assert_allclose(loc, (w - mu) / sigma**2, rtol=1e-3, atol=1e-5)
    rho = tape.gradient(score, q._unconstrained_scale.value)
    slope = tape.gradient(scale, q._unconstrained_scale.value)
    expected = (((w - mu) / sigma) ** 2 - 1) / sigma * slope
    np.testing.assert_allclose(rho, expected, rtol=1e-3, atol=1e-5)


def test_without_proposal_there_is_no_weight(posterior):
    realisation = ScoreFunction().realise(Dense(), posterior((3, 2)), NOISE, tf.ones((4, 3)))
    assert realisation.log_weight == 0.0


def test_with_proposal_the_weight_has_no_gradient(posterior):
    q, proposal = posterior((3, 2)), DefensiveMixture()
    with tf.GradientTape(persistent=True) as tape:
        estimator = ScoreFunction(proposal=proposal)
        realisation = estimator.realise(Dense(), q, NOISE, tf.eye(3))
        outputs = realisation.apply(tf.eye(3))
    w = proposal.sample(q, NOISE)
    np.testing.assert_allclose(outputs, w, rtol=1e-6)
    np.testing.assert_array_equal(realisation.weights, w)
    log_prob = tf.reduce_sum(q.distribution().log_prob(w))
    assert float(realisation.score) == pytest.approx(float(log_prob), rel=1e-5)
    expected = float(proposal.log_weight(q, w))
    assert float(realisation.log_weight) == pytest.approx(expected, rel=1e-5)
    assert tape.gradient(realisation.log_weight, q._loc.value) is None
    assert tape.gradient(outputs, q._loc.value) is None
    assert tape.gradient(realisation.score, q._loc.value) is not None


# --- Defensive mixture -------------------------------------------------------------------------


@OPTIONS
def test_log_weight_against_the_densities(proposal, q, rng):
    for w in MU + 4 * SIGMA * rng.normal(size=(20, 2)):
        w = w.astype(np.float32)
        wide = density(w, proposal.widening)
        mixture = proposal.share * density(w) + (1 - proposal.share) * wide
        expected = np.log(density(w) / mixture)
        actual = float(proposal.log_weight(q, tf.constant(w)))
        assert actual == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_log_weight_is_finite_where_the_densities_underflow(q):
    """In log space: 1000 σ out, q is e^(-10⁶) and q/r about e^(-375,000)."""
    w = tf.constant(MU + 1000 * SIGMA, tf.float32)
    log_weight = float(DefensiveMixture().log_weight(q, w))
    assert log_weight == pytest.approx(-0.75 * 1e6 + np.log(8), rel=1e-4)


def test_many_elements():
    """The weight is 1/α at most, whatever the number of elements."""
    q = normal((5000,), np.zeros(5000), np.ones(5000))
    proposal = DefensiveMixture(2.0, 0.25)
    near, far = q.sample(NOISE), 2 * q.sample(NOISE)
    assert float(proposal.log_weight(q, near)) == pytest.approx(np.log(4), rel=1e-4)
    assert float(proposal.log_weight(q, far)) < -1000


@OPTIONS
def test_weights_average_to_one(proposal, draws, assert_mean):
    """E_r[q/r] = 1."""
    assert_mean(np.exp(draws[1]), 1.0)


@OPTIONS
def test_weighted_moments_are_those_of_the_posterior(proposal, draws, assert_mean):
    w, log_weight = draws
    weight = np.exp(log_weight)[:, np.newaxis]
    assert_mean(weight * w, MU)
    assert_mean(weight * (w - MU) ** 2, SIGMA**2)


@OPTIONS
def test_weights_are_bounded(proposal, draws):
    """q/r is largest at the mean, 1/(α + (1 − α) k^-D), which is below 1/α."""
    bound = 1 / (proposal.share + (1 - proposal.share) / proposal.widening**2)
    assert 0.99 * bound < np.max(np.exp(draws[1])) <= bound * (1 + 1e-5)


@OPTIONS
def test_draws_follow_the_mixture(proposal, draws, p_limit):
    def cdf(z):
        narrow, wide = scipy.stats.norm.cdf(z), scipy.stats.norm.cdf(z / proposal.widening)
        return proposal.share * narrow + (1 - proposal.share) * wide

    for z in ((draws[0] - MU) / SIGMA).T:
        assert scipy.stats.kstest(z, cdf).pvalue > p_limit


@OPTIONS
def test_one_component_serves_all_elements(proposal, draws, assert_mean):
    """E[z₁² z₂²] = α + (1 − α) k⁴, not its factorised value."""
    z = (draws[0] - MU) / SIGMA
    expected = proposal.share + (1 - proposal.share) * proposal.widening**4
    assert_mean(z[:, 0] ** 2 * z[:, 1] ** 2, expected)


@pytest.mark.parametrize("widening", [1.0, 0.5, float("inf"), float("nan")])
def test_unusable_widening(widening):
    with pytest.raises(
        ValueError, match=f"widening must be a finite number above 1, got {widening}"
    ):
        DefensiveMixture(widening)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_unusable_share(share):
    with pytest.raises(ValueError, match=f"share must lie strictly between 0 and 1, got {share}"):
        DefensiveMixture(2.0, share)
