"""Every family of the table: moments, density, entropy, KL, gradients, saving, estimators.

Monte Carlo runs under XLA, once for a family; its tables are shared by the tests.
"""

import functools

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import estimators
from bnn import posteriors as q
from bnn.divergences import MonteCarlo, kl_terms
from bnn.noise import Noise
from bnn.priors import Normal
from tests.posteriors import laws
from tests.posteriors.descriptors import FAMILIES, POSTERIORS, SHAPE, build

DRAWS = laws.DRAWS
PRIOR = Normal(0.2, 0.9)
KINDS = ("Mean", "Reparameterization", "LocalReparameterization", "Flipout", "ScoreFunction")

every = pytest.mark.parametrize("name", POSTERIORS)


def only(**flags):
    """The names of the table whose descriptors have these values."""
    return pytest.mark.parametrize(
        "name",
        [n for n, d in POSTERIORS.items() if all(getattr(d, k) == v for k, v in flags.items())],
    )


@functools.cache
def simulated(name):
    """The simulation of the table's posterior, made once."""
    return laws.simulate(build(name), POSTERIORS[name].density)


def test_the_table_has_every_family():
    assert {type(d.make()).__name__ for d in POSTERIORS.values()} | {"Point"} == FAMILIES


# --- The law ----------------------------------------------------------------------------------


@only(variance=True)
def test_moments(name):
    laws.check_moments(build(name), simulated(name))


@only(variance=False)
def test_mean_is_exact_where_the_variance_is_not(name, assert_mean):
    posterior, weights = build(name), simulated(name)[0]
    assert_mean(weights, np.float64(posterior.mean))
    np.testing.assert_allclose(posterior.variance, weights.var(axis=0), rtol=0.1)


@only(density=True)
def test_density_is_that_of_the_samples(name):
    laws.check_density(build(name), simulated(name))


@only(entropy=True)
def test_entropy(name):
    laws.check_entropy(build(name), simulated(name))


@only(entropy=False, density=True)
def test_no_entropy_in_closed_form(name):
    with pytest.raises(NotImplementedError, match="has no closed form"):
        build(name).entropy()


@only(entropy=True, density=True)
def test_kl_to_a_normal_against_a_long_run(name, assert_mean):
    posterior = build(name)
    weights, log_prob = simulated(name)[:2]
    log_prior = PRIOR.log_prob(tf.constant(weights, tf.float32)).numpy().sum(axis=(1, 2))
    [closed] = kl_terms(posterior, PRIOR, Noise(0), MonteCarlo())
    assert_mean((log_prob - log_prior)[:, np.newaxis], float(tf.reduce_sum(closed)))


@only(kl=False)
def test_kl_that_is_sampled_is_that_of_a_long_run(name, assert_mean):
    posterior = build(name)

    @tf.function(jit_compile=True, autograph=False)
    def kls():
        def one(step):
            terms = kl_terms(posterior, PRIOR, Noise(5, step), MonteCarlo())
            return tf.add_n([tf.reduce_sum(term) for term in terms])

        return tf.map_fn(one, tf.range(2**13), fn_output_signature=tf.float32)

    weights, log_prob = simulated(name)[:2]
    log_prior = PRIOR.log_prob(tf.constant(weights, tf.float32)).numpy().sum(axis=(1, 2))
    long_run = log_prob - log_prior
    sampled = kls().numpy().astype(np.float64)
    error = np.hypot(long_run.std() / DRAWS**0.5, sampled.std() / len(sampled) ** 0.5)
    assert abs(sampled.mean() - long_run.mean()) / error < 6


# --- Gradients --------------------------------------------------------------------------------


@only(variance=True)
def test_gradient_of_a_quadratic(name, assert_mean):
    """∇ E‖w − k‖² is that of Σ Var + (mean − k)²."""
    posterior = build(name)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(posterior.variance + tf.square(posterior.mean - laws.TARGET))
    exact = tape.gradient(value, [v.value for v in posterior.variables])
    exact = np.concatenate(
        [
            np.zeros(v.shape).ravel() if g is None else np.ravel(g)
            for g, v in zip(exact, posterior.variables, strict=True)
        ]
    )
    path = simulated(name)[2]
    assert np.all(np.isfinite(path))
    moving = path.std(axis=0) > 1e-6 * (1 + np.abs(exact))
    assert_mean(path[:, moving], exact[moving])
    np.testing.assert_allclose(path[:, ~moving].mean(axis=0), exact[~moving], atol=1e-4, rtol=1e-4)


@only(density=True)
def test_pathwise_and_score_gradients_agree(name):
    """Both estimate ∇ E‖w − k‖²: sample and log density belong to one law."""
    path, score = simulated(name)[2:]
    assert np.all(np.isfinite(score))
    error = np.sqrt((path.var(axis=0) + score.var(axis=0)) / DRAWS) + 1e-9
    z = (path - score).mean(axis=0) / np.maximum(error, (path - score).std(axis=0) / DRAWS**0.5)
    used = np.abs(path).max(axis=0) + np.abs(score).max(axis=0) > 0
    assert np.max(np.abs(z[used])) < 6


# --- Saving, copies, initialisation -------------------------------------------------------------


@every
def test_clone_and_serialization(name):
    posterior = POSTERIORS[name].make()
    config = keras.saving.serialize_keras_object(posterior)
    for copy in (posterior.clone(), keras.saving.deserialize_keras_object(config)):
        assert type(copy) is type(posterior)
        assert copy.get_config() == posterior.get_config()
        for attribute in ("mean", "variance"):
            with pytest.raises(ValueError, match=f"{type(copy).__name__} has no variables yet"):
                getattr(copy, attribute)


@every
def test_variables(name):
    layer = keras.layers.Layer(dtype="mixed_bfloat16")
    posterior = POSTERIORS[name].make()
    posterior.build(layer, "kernel", SHAPE, "glorot_uniform", keras.regularizers.L2(0.5))
    assert layer.trainable_variables == posterior.variables
    assert {v.dtype for v in posterior.variables} == {"float32"}
    assert sum(int(np.prod(v.shape)) for v in posterior.variables) == (
        POSTERIORS[name].num_variables
    )
    assert len({v.name for v in posterior.variables}) == len(posterior.variables)
    assert len(layer.losses) == 1
    assert posterior.sample(Noise(0)).dtype == posterior.mean.dtype == tf.float32


@every
@pytest.mark.parametrize("shape", [(5,), (1,), (2, 2, 3, 2)])
def test_other_shapes(name, shape):
    posterior = build(name, shape)
    assert posterior.mean.shape == posterior.variance.shape == shape
    assert posterior.sample(Noise(0)).shape == posterior.perturbation(Noise(0)).shape == shape
    difference = posterior.sample(Noise(3)) - posterior.mean - posterior.perturbation(Noise(3))
    assert float(tf.reduce_max(tf.abs(difference))) < 1e-5


@every
def test_initialisation_from_trained_weights(name):
    posterior = build(name)
    weights = np.linspace(0.5, 1.5, 6).reshape(SHAPE)
    posterior.initialise(weights)
    np.testing.assert_allclose(posterior.mean, weights, rtol=1e-5)


@every
def test_saved_and_loaded(name, tmp_path):
    layer = bnn.layers.Dense(
        2, kernel_posterior=POSTERIORS[name].make(), bias_posterior=POSTERIORS[name].make()
    )
    model = keras.Sequential([keras.Input((3,)), layer])
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign_add(0.1 * rng.normal(size=variable.shape))
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    inputs = tf.ones((2, 3))
    for m in (model, other):
        with bnn.Draw(3, estimators.Reparameterization()):
            m.outputs_seen = m(inputs)
    np.testing.assert_array_equal(model.outputs_seen, other.outputs_seen)
    assert {k: float(v) for k, v in bnn.ledger(model).items()} == {
        k: float(v) for k, v in bnn.ledger(other).items()
    }


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_gin_knows_it(family):
    made = gin.get_configurable(f"bnn.posteriors.{family}")()
    assert type(made) is getattr(q, family)


# --- Estimators -------------------------------------------------------------------------------


@every
def test_estimators_that_serve_it(name):
    posterior = build(name)
    serving = {kind for kind in KINDS if getattr(estimators, kind)().unfit(posterior) is None}
    assert serving == POSTERIORS[name].estimators


@every
def test_the_others_refuse_it_and_name_those_that_serve(name):
    posterior = build(name)
    for kind in set(KINDS) - POSTERIORS[name].estimators:
        refusal = f"cannot serve the posterior {type(posterior).__name__}"
        with pytest.raises(ValueError, match=refusal) as error:
            getattr(estimators, kind)().check(posterior)
        named = str(error.value).split("Estimators that can: ")[1].rstrip(".").split(", ")
        assert set(named) == POSTERIORS[name].estimators
