"""Refusals of the posteriors, each by its text, and what single families do beside the table."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import estimators, operators, priors
from bnn import posteriors as q
from bnn.divergences import MonteCarlo, kl_terms
from bnn.noise import Noise
from tests.posteriors.descriptors import POSTERIORS, build


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize(
    "kind",
    [q.LowRankNormal, q.FullCovarianceNormal, q.MatrixNormal, q.Mixture, q.RankOne, q.KTiedNormal,
     q.Radial, q.VariationalDropout, q.CouplingFlow, q.SpikeAndSlabNormal, q.GroupHorseshoe],
)  # fmt: skip
def test_unusable_initial_scale(kind, scale):
    refusal = rf"initial_scale must be a positive number, got {scale}; .*Point\(\)"
    with pytest.raises(ValueError, match=refusal):
        kind(initial_scale=scale)


@pytest.mark.parametrize("count", [0, -2, 1.5, True])
@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        (q.LowRankNormal, "rank"),
        (q.KTiedNormal, "rank"),
        (q.Mixture, "num_components"),
        (q.RankOne, "num_components"),
        (q.BatchEnsemble, "num_members"),
        (q.CouplingFlow, "num_couplings"),
        (q.CouplingFlow, "hidden_units"),
        (q.FullCovarianceNormal, "max_size"),
    ],
)
def test_unusable_count(kind, argument, count):
    refusal = f"{argument} must be an integer of at least 1, got {count}"
    with pytest.raises(ValueError, match=refusal):
        kind(**{argument: count})


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan")])
@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        (q.MCDropout, "rate"),
        (q.ConcreteDropout, "initial_rate"),
        (q.SpikeAndSlabNormal, "inclusion"),
        (q.SpikeAndSlabNormal, "prior_inclusion"),
    ],
)
def test_unusable_rate(kind, argument, rate):
    refusal = rf"{argument} must lie strictly between 0 and 1, got {rate}; .*bnn.posteriors.\w+\(\)"
    with pytest.raises(ValueError, match=refusal):
        kind(**{argument: rate})


def test_other_unusable_scales():
    with pytest.raises(ValueError, match="temperature must be a positive number, got 0"):
        q.ConcreteDropout(temperature=0)
    with pytest.raises(ValueError, match="separation must be a positive number, got -1"):
        q.Mixture(separation=-1)
    with pytest.raises(ValueError, match=r"temperature must be at most 1, got 1\.5: a warmer"):
        q.SpikeAndSlabNormal(temperature=1.5)
    with pytest.raises(ValueError, match="global_scale must be a positive number, got 0"):
        q.GroupHorseshoe(global_scale=0)
    with pytest.raises(ValueError, match="separation must be a positive number, got 0"):
        q.BatchEnsemble(separation=0)
    with pytest.raises(ValueError, match="factor_prior_scale must be a positive number, got 0"):
        q.RankOne(factor_prior_scale=0)


def test_a_large_covariance_is_refused():
    posterior = q.FullCovarianceNormal(max_size=100)
    refusal = r"at least the 200 weights of 'kernel' \(20, 10\), got 100; .* 0 MiB. Raise it"
    with pytest.raises(ValueError, match=refusal):
        posterior.build(keras.layers.Layer(), "kernel", (20, 10), "zeros")


@pytest.mark.parametrize(
    "name", ["RankOne", "MCDropout", "ConcreteDropout", "BatchEnsemble", "GroupHorseshoe"]
)
def test_families_without_a_density(name):
    posterior = build(name)
    refusal = f"{type(posterior).__name__} has no density over the weights; use an objective"
    with pytest.raises(NotImplementedError, match=refusal):
        posterior.log_prob(posterior.mean)
    with pytest.raises(ValueError, match="it needs a posterior with a density over the weights"):
        estimators.ScoreFunction().check(posterior)
    layer = bnn.layers.Dense(
        2,
        kernel_posterior=POSTERIORS[name].make(),
        kernel_prior=priors.Normal(trainable=True),
    )
    with pytest.raises(ValueError, match=r"kernel_prior of layer .* must not be learned"):
        layer.build((None, 3))
    hierarchical = bnn.layers.Dense(
        2, kernel_posterior=q.Point(), kernel_prior=priors.HierarchicalNormal()
    )
    hierarchical.build((None, 3))  # bounded by the hyperprior


@pytest.mark.parametrize("baseline", [estimators.LeaveOneOut(), estimators.OptimalCoefficient()])
@pytest.mark.parametrize("name", ["Mixture"])
def test_baselines_of_other_samples_refuse_dependent_samples(name, baseline):
    estimator = estimators.ScoreFunction(baseline)
    refusal = f"its baseline {type(baseline).__name__} is made of the other samples"
    with pytest.raises(ValueError, match=refusal):
        estimator.check(build(name))
    estimator.check(build("LowRankNormal"))
    estimators.ScoreFunction(estimators.RunningMean()).check(build(name))


@pytest.mark.parametrize("kind", ["MCDropout", "ConcreteDropout"])
def test_dropout_needs_a_prior_of_independent_elements_finite_at_zero(kind):
    posterior = build(kind)
    dependent = priors.MatrixNormal()
    dependent.build(keras.layers.Layer(), "kernel", (3, 2))
    for prior, refusal in (
        (dependent, "needs a prior of independent elements, got MatrixNormal"),
        (priors.Horseshoe(), "a prior whose density is finite there, got Horseshoe"),
        (priors.LogUniform(), "a prior whose density is finite there, got LogUniform"),
    ):
        with pytest.raises(ValueError, match=refusal):
            kl_terms(posterior, prior, Noise(0), MonteCarlo())


@pytest.mark.parametrize(
    "estimator", [estimators.LocalReparameterization(), estimators.Flipout()], ids=["local", "flip"]
)
def test_matrix_normal_refuses_convolutions(estimator):
    layer = bnn.layers.Conv2D(2, 2, kernel_posterior=q.MatrixNormal(), use_bias=False)
    layer.build((None, 4, 4, 1))
    refusal = "Kronecker covariance in matrix products and biases only, got the operator Conv"
    with pytest.raises(ValueError, match=refusal), bnn.Draw(0, estimator):
        layer(tf.ones((2, 4, 4, 1)))


def test_channels_of_inputs_without_channels():
    posterior = build("MCDropout", (4, 3))
    [term] = posterior.terms
    with pytest.raises(ValueError, match="factors of input channels need inputs that can be scal"):
        term.local(operators.Bias(), tf.ones((2, 4)), Noise(0))
    with pytest.raises(NotImplementedError, match="not symmetric about their mean"):
        term.flipped(operators.Dense(), tf.ones((2, 4)), (4, 3), Noise(0))


# --- KL of families without a density -----------------------------------------------------------


def test_kl_of_rank_one_factors():
    """Σ KL(N(r̄, σ²) ‖ N(1, ζ²)) over both factors, and −ln p(W)."""
    posterior, prior = build("RankOne"), priors.Normal(0.1, 0.7)
    weights, *factors = (v.numpy().astype(np.float64) for v in posterior.variables)
    expected = -np.sum(np.float64(prior.log_prob(weights.astype(np.float32))))
    zeta = posterior.factor_prior_scale
    for loc, log_scale in (factors[:2], factors[2:]):
        scale = np.exp(log_scale)
        each = np.log(zeta / scale) + (scale**2 + (loc - 1) ** 2) / (2 * zeta**2) - 0.5
        expected += each.sum()
    terms = kl_terms(posterior, prior, Noise(0), MonteCarlo())
    assert float(tf.add_n(terms)) == pytest.approx(expected, rel=1e-5)


def test_kl_of_dropout_is_that_of_two_narrow_normals():
    """Mixtures of normals of width 1e-3 at m and 0, less their entropy: by quadrature in 2D.

    KL(q ‖ p) of q = (1 − p) N(m, h²) + p N(0, h²) over a channel of two weights is what the ledger
    counts less 2 (½ ln 2πe + ln h), up to O(h²).
    """
    rate, h = 0.3, 1e-3
    posterior = q.MCDropout(rate)
    posterior.build(keras.layers.Layer(), "kernel", (1, 2), "zeros")
    posterior.initialise(np.array([[0.5, -0.8]]))
    prior = priors.Laplace(0.1, 0.6)
    counted = float(
        tf.add_n([tf.reduce_sum(t) for t in kl_terms(posterior, prior, Noise(0), MonteCarlo())])
    )
    rng = np.random.default_rng(0)
    kept = rng.random(40_000) >= rate
    centre = np.array([0.5, -0.8]) / (1 - rate)
    w = np.where(kept[:, np.newaxis], centre, 0.0) + h * rng.normal(size=(40_000, 2))
    squares = [((w - c) ** 2).sum(1) / (2 * h**2) for c in (centre, np.zeros(2))]
    log_q = np.logaddexp(np.log(1 - rate) - squares[0], np.log(rate) - squares[1])
    log_q -= np.log(2 * np.pi * h**2)
    log_p = np.float64(prior.log_prob(w.astype(np.float32))).sum(axis=1)
    width = 2 * (0.5 * np.log(2 * np.pi * np.e) + np.log(h))
    values = log_q - log_p + width
    error = values.std() / len(values) ** 0.5 + 2e-3
    assert abs(values.mean() - counted) < 6 * error


def test_concrete_dropout_learns_its_rate():
    """The gradient of the ledger in the rate is that of −H(p) where the weights are zero."""
    posterior = q.ConcreteDropout(0.2)
    posterior.build(keras.layers.Layer(), "kernel", (4, 2), "zeros")
    prior, logit = priors.Normal(), posterior.variables[1]
    with tf.GradientTape() as tape:
        terms = kl_terms(posterior, prior, Noise(0), MonteCarlo())
        kl = tf.add_n([tf.reduce_sum(term) for term in terms])
    # d(−H)/dp = ln p/(1 − p), dp/dlogit = p (1 − p), 4 channels
    expected = 4 * np.log(0.2 / 0.8) * 0.2 * 0.8
    assert float(tape.gradient(kl, logit.value)) == pytest.approx(expected, rel=1e-4)


def test_sparsity_of_variational_dropout():
    posterior = q.VariationalDropout(0.1)
    posterior.build(keras.layers.Layer(), "kernel", (2, 2), "zeros")
    posterior.initialise(np.array([[1.0, 0.1], [1e-3, 0.0]]))
    # ln α = ln σ² − ln θ²: −4.6, 0, 9.2, infinite
    np.testing.assert_allclose(posterior.log_alpha[0], [-4.605, 0.0], atol=1e-2)
    np.testing.assert_array_equal(posterior.kept(), [[True, True], [False, False]])
    assert posterior.sparsity() == 0.5
    assert posterior.sparsity(threshold=-1.0) == 0.75
    assert posterior.prune() == 0.5
    np.testing.assert_allclose(posterior.mean, [[1.0, 0.1], [0.0, 0.0]])
    np.testing.assert_allclose(posterior.scale[1], [1e-8, 1e-8], rtol=1e-3)


def test_variational_dropout_under_its_prior_prunes_noise():
    """A weight that the data do not hold gets a large α, one that they hold does not."""
    posterior, prior = q.VariationalDropout(0.1), priors.LogUniform()
    posterior.build(keras.layers.Layer(), "kernel", (2,), "zeros")
    posterior.initialise(np.array([1.0, 0.05]))
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(posterior.variables)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            # −E ln likelihood of y = (1, 0.05) with precisions 100 and 0.1
            misfit = tf.square(posterior.mean - [1.0, 0.05]) + posterior.variance
            loss = tf.reduce_sum([50.0, 0.05] * misfit)
            loss += tf.add_n(
                [tf.reduce_sum(t) for t in kl_terms(posterior, prior, Noise(0), MonteCarlo())]
            )
        gradients = tape.gradient(loss, [v.value for v in posterior.variables])
        optimizer.apply(gradients, posterior.variables)

    for _ in range(600):
        train()
    np.testing.assert_array_equal(posterior.kept(), [True, False])


def test_radial_scale_at_initialisation_is_a_standard_deviation():
    posterior = build("Radial")
    posterior.initialise(np.zeros((3, 2)), scale=0.1)
    np.testing.assert_allclose(tf.sqrt(posterior.variance), np.full((3, 2), 0.1), rtol=1e-5)


def test_scales_that_a_family_cannot_start_from():
    with pytest.raises(ValueError, match="LowRankNormal has no scale by element to initialise"):
        build("LowRankNormal").initialise(np.zeros((3, 2)), scale=0.1)
    mixture = build("Mixture")
    mixture.initialise(np.zeros((3, 2)), scale=0.1)
    np.testing.assert_allclose(mixture.scales(), np.full((3, 3, 2), 0.1), rtol=1e-5)


def test_rank_one_factors_of_a_grouped_convolution_are_those_of_the_kernel():
    """The local form scales each input channel by the factor of its row in the kernel."""
    layer = bnn.layers.Conv1D(4, 1, groups=2, use_bias=False, kernel_posterior=q.RankOne(1e-8))
    layer.build((None, 3, 4))
    posterior = layer.kernel.posterior
    rows = posterior.variables[1]
    rows.assign([[2.0, 0.5]])
    inputs = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4)), tf.float32)
    outputs = []
    for estimator in (estimators.LocalReparameterization(), estimators.Reparameterization()):
        with bnn.Draw(0, estimator):
            outputs.append(layer(inputs))
    np.testing.assert_allclose(*outputs, atol=1e-5)
