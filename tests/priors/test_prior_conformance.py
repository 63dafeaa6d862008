"""Every prior of the table: density, normalisation, KL from normal posteriors, saving."""

import functools

import gin
import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf

import bnn
from bnn import posteriors, priors
from bnn.divergences import MonteCarlo, Quadrature, kl_terms
from bnn.noise import Noise
from tests.priors.descriptors import ABSTRACT, DEPENDENT, PRIORS, SHAPE, build

every = pytest.mark.parametrize("name", PRIORS)
WITHOUT_DISTRIBUTION = {
    "Horseshoe", "Horseshoe slab", "SpikeAndSlab", "LearnedMixture", "LogUniform",
}  # fmt: skip
independent = pytest.mark.parametrize("name", [n for n in PRIORS if n not in DEPENDENT])


def mean_field(kind=None, **options):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(11)
    posterior = (kind or posteriors.MeanFieldNormal)(initial_scale=0.4, **options)
    posterior.build(keras.layers.Layer(), "kernel", SHAPE, "zeros")
    for variable in posterior.variables:
        variable.assign_add(0.3 * rng.normal(size=variable.shape))
    return posterior


@functools.cache
def samples(kind):
    """2¹² weights of a family and their log densities."""
    posterior = mean_field(getattr(posteriors, kind))

    @tf.function(jit_compile=True, autograph=False)
    def run():
        def one(step):
            w = posterior.sample(Noise(2, step))
            return w, posterior.log_prob(w)

        spec = (tf.TensorSpec(SHAPE), tf.TensorSpec(()))
        return tf.map_fn(one, tf.range(2**12), fn_output_signature=spec)

    return run()


def total(terms):
    return float(tf.add_n([tf.reduce_sum(term) for term in terms]))


def test_the_table_has_every_prior():
    assert {type(d.make()).__name__ for d in PRIORS.values()} == set(priors.__all__) - ABSTRACT


@every
def test_log_density(name, rng):
    prior = build(name)
    for size in (0.02, 1.0, 8.0):
        w = (size * rng.normal(size=SHAPE)).astype(np.float32)
        expected = PRIORS[name].log_prob(prior, w)
        log_prob = prior.log_prob(tf.constant(w))
        assert log_prob.shape == (() if name in DEPENDENT else SHAPE)
        np.testing.assert_allclose(log_prob, expected, rtol=2e-5, atol=2e-5)


@independent
def test_distribution_says_the_same(name, rng):
    prior = build(name)
    w = tf.constant(rng.normal(size=SHAPE), tf.float32)
    if name in WITHOUT_DISTRIBUTION:
        with pytest.raises(NotImplementedError, match=f"{type(prior).__name__} is no distribution"):
            prior.distribution()
        return
    log_prob = prior.distribution().log_prob(w)
    np.testing.assert_allclose(log_prob, prior.log_prob(w), rtol=1e-4, atol=1e-5)


NORMAL = {
    "ARD", "ARD outputs", "Around", "ArrayNormal", "ArrayNormal row", "CorrelatedConvolution",
    "FanInNormal", "FunctionSpaceNormal", "MatrixNormal", "Normal", "Normal learned",
}  # fmt: skip


@every
def test_deviations_have_the_covariance_of_the_density(name):
    """δ = A ε, and 2 log p(m) − 2 log p(m + δ) = ‖ε‖² for a generic ε where A Aᵀ is it alone."""
    shape = (2, 3, 2, 2) if name in ("CorrelatedConvolution", "MatrixNormal") else SHAPE
    prior = build(name, shape)
    if name not in NORMAL:
        with pytest.raises(NotImplementedError, match=f"{type(prior).__name__} is no normal prior"):
            prior.deviation(Noise(0), shape)
        return
    noise = Noise(4, antithetic=True)
    found, mirrored = (prior.deviation(noise.at(sample=i), shape) for i in (0, 1))
    assert found.shape == shape
    np.testing.assert_array_equal(mirrored, -found)
    mean = tf.zeros(shape) + getattr(prior, "loc", 0.0)
    drop = tf.reduce_sum(prior.log_prob(mean)) - tf.reduce_sum(prior.log_prob(mean + found))
    squares = tf.reduce_sum(tf.square(noise.normal(shape)))
    assert 2 * float(drop) == pytest.approx(float(squares), rel=1e-4)


@independent
def test_density_is_normalised(name):
    """∫ p over ±e²⁵, in u = ln |w|; below e⁻²⁵ lies less than 1e-8 of it."""
    if not PRIORS[name].normalised:
        return
    prior = build(name)
    u = np.linspace(-25, 25, 40_001)
    w = np.exp(u).astype(np.float32)
    whole = np.zeros(SHAPE)
    for sign in (-1, 1):
        points = tf.broadcast_to((sign * w)[:, np.newaxis, np.newaxis], (len(w), *SHAPE))
        density = np.exp(np.float64(prior.log_prob(points))) * np.exp(u)[:, np.newaxis, np.newaxis]
        whole += scipy.integrate.trapezoid(density, u, axis=0)
    np.testing.assert_allclose(whole, 1, atol=2e-4)


@every
def test_gradient_is_finite(name):
    """In the weights, zero among them where the density is finite there, and in the variables."""
    prior = build(name)
    w = tf.constant([[0.0, 1e-4], [-1.0, 50.0], [0.3, -1e-7]]) + (0.0 if prior.finite else 1e-3)
    with tf.GradientTape() as tape:
        tape.watch(w)
        log_prob = tf.reduce_sum(prior.log_prob(w))
    variables = [v.value for v in prior.variables if v.trainable]
    for gradient in tape.gradient(log_prob, [w, *variables]):
        assert np.all(np.isfinite(gradient))


# --- KL ---------------------------------------------------------------------------------------


def quadrature_kl(posterior, log_prior):
    """Σ ∫ q ln(q/p) of a mean field, on a grid that is finer near zero."""
    mean, scale = np.float64(posterior.mean), np.float64(posterior.scale)
    pieces = np.concatenate([-np.geomspace(6, 1e-9, 30_000), np.geomspace(1e-9, 6, 30_000)])
    grid = pieces[:, np.newaxis, np.newaxis] * np.ones(SHAPE)
    q = scipy.stats.norm(mean, scale)
    values = q.pdf(grid) * (q.logpdf(grid) - log_prior(grid))
    return scipy.integrate.trapezoid(values, grid, axis=0)


@pytest.mark.parametrize(
    "kind", [posteriors.MeanFieldNormal, posteriors.KTiedNormal, posteriors.VariationalDropout]
)
@pytest.mark.parametrize("name", [n for n, d in PRIORS.items() if d.closed and n not in DEPENDENT])
def test_closed_kl_of_independent_elements(name, kind):
    prior, posterior = build(name), mean_field(kind)
    [closed] = kl_terms(posterior, prior, Noise(0), MonteCarlo())
    expected = quadrature_kl(posterior, lambda w: PRIORS[name].log_prob(prior, w))
    tolerance = 2e-4 if PRIORS[name].closed is True else PRIORS[name].closed
    np.testing.assert_allclose(closed, expected, atol=tolerance)


@pytest.mark.parametrize(
    "name", [n for n, d in PRIORS.items() if not d.closed and n != "Horseshoe"]
)
def test_quadrature_of_the_ledger(name):
    prior, posterior = build(name), mean_field()
    expected = quadrature_kl(posterior, lambda w: np.float64(prior.log_prob(w.astype(np.float32))))
    estimated = total(kl_terms(posterior, prior, Noise(0), Quadrature(128)))
    assert estimated == pytest.approx(expected.sum(), abs=0.15)


@every
@pytest.mark.parametrize(
    "kind",
    ["MeanFieldNormal", "KTiedNormal", "VariationalDropout", "LowRankNormal",
     "FullCovarianceNormal", "MatrixNormal", "Radial"],
)  # fmt: skip
def test_kl_against_a_long_run(name, kind, assert_mean):
    """The ledger's number against the mean of ln q/p over samples of q."""
    if name == "LogUniform":  # closed to 0.01 only, see above
        return
    prior, posterior = build(name), mean_field(getattr(posteriors, kind))
    terms = kl_terms(posterior, prior, Noise(0), MonteCarlo())
    if len(terms) > 1:
        return  # sampled itself

    weights, log_q = samples(kind)
    if name in DEPENDENT:
        log_p = tf.vectorized_map(prior.log_prob, weights)
    else:
        log_p = tf.reduce_sum(prior.log_prob(weights), axis=[1, 2])
    assert_mean((log_q - log_p).numpy()[:, np.newaxis], total(terms))


CLOSED = {
    "Normal", "Around", "ArrayNormal", "FanInNormal", "ARD", "FunctionSpaceNormal",
    "HierarchicalNormal", "Laplace",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["LowRankNormal", "FullCovarianceNormal", "MatrixNormal"])
def test_which_pairs_have_a_closed_form(kind):
    posterior = mean_field(getattr(posteriors, kind))
    closed = {
        type(build(name)).__name__
        for name in PRIORS
        if len(kl_terms(posterior, build(name), Noise(0), MonteCarlo())) == 1
    }
    assert closed == (CLOSED | {"MatrixNormal"} if kind == "MatrixNormal" else CLOSED)


def test_hierarchical_scale_at_its_optimum():
    """The minimum in s² is (E‖w‖² + 2β) / (D + 2α + 2): the gradient in ln s vanishes there."""
    prior, posterior = build("HierarchicalNormal"), mean_field()
    second = float(tf.reduce_sum(posterior.variance + tf.square(posterior.mean)))
    best = (second + 2 * prior.rate) / (6 + 2 * prior.shape + 2)
    [variable] = prior.variables
    variable.assign(0.5 * np.log(best))
    with tf.GradientTape() as tape:
        [kl] = kl_terms(posterior, prior, Noise(0), MonteCarlo())
    assert float(tape.gradient(kl, variable.value)) == pytest.approx(0, abs=1e-4)


def test_ard_at_its_optimum():
    """The minimum in s_i² is the mean of E[w²] over the channel's weights."""
    prior, posterior = build("ARD"), mean_field()
    second = np.float64(posterior.variance + tf.square(posterior.mean)).mean(axis=1, keepdims=True)
    [variable] = prior.variables
    variable.assign(0.5 * np.log(second))
    with tf.GradientTape() as tape:
        [kl] = kl_terms(posterior, prior, Noise(0), MonteCarlo())
        kl = tf.reduce_sum(kl)
    np.testing.assert_allclose(tape.gradient(kl, variable.value), 0, atol=1e-4)


# --- Saving and arguments -----------------------------------------------------------------------


@every
def test_clone_and_serialization(name):
    prior = PRIORS[name].make()
    config = keras.saving.serialize_keras_object(prior)
    for copy in (prior.clone(), keras.saving.deserialize_keras_object(config)):
        assert type(copy) is type(prior)
        assert copy.get_config() == prior.get_config()


@every
def test_variables_are_float32_weights_of_the_layer(name):
    layer = keras.layers.Layer(dtype="mixed_float16")
    prior = PRIORS[name].make()
    prior.build(layer, "kernel", SHAPE)
    assert layer.variables == prior.variables
    assert {v.dtype for v in prior.variables} <= {"float32"}
    assert sum(int(np.prod(v.shape)) for v in prior.variables) == PRIORS[name].num_variables


@every
def test_saved_and_loaded(name, tmp_path):
    layer = bnn.layers.Dense(2, use_bias=False, kernel_prior=PRIORS[name].make())
    model = keras.Sequential([keras.Input((3,)), layer])
    for variable in layer.kernel.prior.variables:
        variable.assign_add(tf.fill(variable.shape, 0.1))
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    assert float(bnn.ledger(model)["0_dense/kernel"]) == float(bnn.ledger(other)["0_dense/kernel"])


@pytest.mark.parametrize("family", sorted(set(priors.__all__) - ABSTRACT))
def test_gin_knows_it(family):
    made = gin.get_configurable(f"bnn.priors.{family}")()
    assert type(made) is getattr(priors, family)
