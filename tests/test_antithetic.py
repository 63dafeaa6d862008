"""Antithetic pairs: samples 2k and 2k + 1 are μ ± σ ε."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from linear_gaussian import Regression

import bnn
from bnn.estimators import (
    BySite,
    Flipout,
    LocalReparameterization,
    Mean,
    Reparameterization,
    ScoreFunction,
)
from bnn.noise import Noise
from bnn.objectives import NegativeELBO, StickingTheLanding

PATHWISE = [Reparameterization(), LocalReparameterization(), Flipout()]
COUNT = 20_000


def pair(**coordinates):
    return [Noise(3, sample=s, antithetic=True, **coordinates) for s in (4, 5)]


# --- The noise --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100, COUNT])
def test_normals_of_a_pair_are_negatives_in_every_bit(size):
    first, second = (n.normal([size]).numpy() for n in pair())
    np.testing.assert_array_equal(first, -second)


def test_signs_and_uniforms_of_a_pair_are_equal():
    for kind in ("signs", "uniform", "bits"):
        first, second = (getattr(n, kind)([50]).numpy() for n in pair())
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("size", [100, COUNT])
def test_mirrored_uniforms_of_a_pair_add_up_to_one_in_every_bit(size):
    first, second = (n.uniform([size], mirrored=True).numpy() for n in pair())
    np.testing.assert_array_equal(first, pair()[0].uniform([size]))
    np.testing.assert_array_equal(second, 1 - first)
    assert second.min() > 0
    assert second.max() < 1
    plain = Noise(3, sample=5).uniform([size], mirrored=True)
    np.testing.assert_array_equal(plain, Noise(3, sample=5).uniform([size]))


def test_the_first_of_a_pair_is_the_plain_sample_of_the_pairs_number():
    np.testing.assert_array_equal(pair()[0].normal([9]), Noise(3, sample=2).normal([9]))


@pytest.mark.parametrize("sample", [0, 1])
def test_each_of_a_pair_is_standard_normal(sample, p_limit):
    z = Noise(5, sample=sample, antithetic=True).normal([COUNT]).numpy()
    assert scipy.stats.kstest(z, "norm").pvalue > p_limit


def test_pairs_are_independent_of_each_other(z_limit):
    a, b = (Noise(5, sample=s, antithetic=True).normal([COUNT]).numpy() for s in (0, 2))
    assert abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(COUNT) < z_limit


def test_the_sample_may_be_a_tensor(mode):
    @mode
    def normal(sample):
        return Noise(3, sample=sample, antithetic=True).normal([20])

    for number, noise in zip((4, 5), pair(), strict=True):
        np.testing.assert_allclose(normal(tf.constant(number)), noise.normal([20]), rtol=1e-5)
    np.testing.assert_array_equal(normal(tf.constant(4)), -normal(tf.constant(5)))


def test_per_example_noise_is_mirrored_too():
    first, second = (n.normal([6, 2], per_example=True).numpy() for n in pair(example_offset=3))
    np.testing.assert_array_equal(first, -second)


# --- Draws ------------------------------------------------------------------------------------


def two_layers():
    return keras.Sequential(
        [keras.Input((4,)), bnn.layers.Dense(3), bnn.layers.Dense(2, activation="tanh")]
    )


def test_weights_of_a_pair_mirror_at_the_mean():
    model = two_layers()
    pairs = []
    for sample in (0, 1):
        with bnn.Draw(1, Reparameterization(), sample=sample, antithetic=True) as draw:
            model(tf.ones((1, 4)))
        pairs.append(draw.weights)
    for site in bnn.sites(model).values():
        plus, minus = (weights[site] for weights in pairs)
        np.testing.assert_allclose(plus + minus, 2 * site.posterior.mean, atol=1e-6)
        assert np.all(plus.numpy() != minus.numpy())


@pytest.mark.parametrize("estimator", PATHWISE)
def test_outputs_of_one_layer_mirror_for_every_pathwise_estimator(estimator, rng):
    layer = bnn.layers.Dense(3)
    x = tf.constant(rng.normal(size=(5, 4)), tf.float32)
    mean = layer(x)
    outputs = []
    for sample in (6, 7):
        with bnn.Draw(1, estimator, sample=sample, antithetic=True):
            outputs.append(layer(x))
    np.testing.assert_allclose(outputs[0] + outputs[1], 2 * mean, atol=1e-5)
    assert np.all(np.abs(outputs[0] - mean) > 0)


FAMILIES = [
    bnn.posteriors.MCDropout(0.5),
    bnn.posteriors.ConcreteDropout(0.5),
    bnn.posteriors.BatchEnsemble(4, separation=0.5),
    bnn.posteriors.SpikeAndSlabNormal(),
    bnn.posteriors.Mixture(num_components=3),
    bnn.posteriors.RankOne(num_components=3),
    bnn.posteriors.GroupHorseshoe(),
    bnn.posteriors.LowRankNormal(),
    bnn.posteriors.Radial(),
    bnn.posteriors.VariationalDropout(),
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)
def test_the_two_of_a_pair_are_two_functions_of_one_law(family, z_limit):
    """Planted: dropout families with one mask a pair, which pays two passes for one sample.

    Each is of the posterior: first moments of both against its own, over 1,500 pairs.
    """
    layer = bnn.layers.Dense(3, kernel_posterior=family, bias_posterior=bnn.posteriors.Point())
    x = tf.constant([[1.0, -2.0, 0.5, 3.0, 1.0]])
    layer.build(x.shape)

    def both(step):
        weights = []
        for sample in (0, 1):
            noise = Noise(5, step, sample=sample, antithetic=True)
            with bnn.Draw(noise, Reparameterization()) as draw:
                layer(x)
                weights.append(draw.weights[layer.kernel])
        return tf.stack(weights)

    steps = tf.range(1500, dtype=tf.int64)
    y = tf.function(lambda: tf.map_fn(both, steps, fn_output_signature=tf.float32))()
    y = np.asarray(y, np.float64)
    assert np.mean((y[:, 0] == y[:, 1]).all(axis=(1, 2))) < 0.05
    error = y.std(axis=0) / np.sqrt(len(y))
    z = (y.mean(axis=0) - np.asarray(layer.kernel.posterior.mean)) / np.where(error > 0, error, 1)
    assert np.abs(z).max() < z_limit


@pytest.mark.parametrize("estimator", [Reparameterization(), LocalReparameterization()])
def test_masks_of_a_pair_at_one_half_are_complements(estimator):
    """z + z' = 2: the pair's mean is that of the posterior, input for input."""
    layer = bnn.layers.Dense(3, kernel_posterior=bnn.posteriors.MCDropout(0.5))
    x = tf.ones((6, 4))
    outputs = []
    for sample in (2, 3):
        with bnn.Draw(1, estimator, sample=sample, antithetic=True):
            outputs.append(layer(x) - layer.bias.posterior.mean)
    mean = tf.matmul(x, layer.kernel.posterior.mean)
    with bnn.Draw(1, bnn.estimators.Mean()):
        assert np.abs(outputs[0] - mean).max() > 0.1
    np.testing.assert_allclose((outputs[0] + outputs[1]) / 2, mean, rtol=1e-5, atol=1e-5)


# --- Objectives -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated():
    """3,000 steps of two samples, independent and in pairs, by estimator."""
    problem = Regression(3, use_bias=False)
    problem.set_off_posterior()
    losses = {
        f"{type(estimator).__name__} {antithetic}": problem.objective(
            NegativeELBO, estimator, 2, antithetic=antithetic
        )
        for estimator in PATHWISE
        for antithetic in (False, True)
    }
    losses["landing"] = problem.objective(
        StickingTheLanding, Reparameterization(), 2, antithetic=True
    )
    return problem, problem.simulate(losses, 3000)


@pytest.mark.parametrize("estimator", PATHWISE)
def test_gradient_in_the_mean_of_a_quadratic_has_no_variance(simulated, estimator):
    """∇_μ f(μ + d) + ∇_μ f(μ − d) = 2 ∇_μ f(μ) where ∇f is linear."""
    problem, rows = simulated
    loc = problem.names() == "loc"
    pairs = rows[f"{type(estimator).__name__} True"][1][:, loc]
    alone = rows[f"{type(estimator).__name__} False"][1][:, loc]
    exact = problem.exact_gradient()[loc]
    np.testing.assert_allclose(pairs, np.broadcast_to(exact, pairs.shape), atol=2e-5)
    assert np.all(alone.std(axis=0) > 0.01)


@pytest.mark.parametrize("estimator", PATHWISE)
def test_gradient_in_the_scale_stays_unbiased(simulated, estimator, assert_mean):
    problem, rows = simulated
    scale = problem.names() == "scale"
    pairs = rows[f"{type(estimator).__name__} True"][1][:, scale]
    assert_mean(pairs, problem.exact_gradient()[scale])


def test_pairs_double_the_variance_of_even_functions(simulated):
    """The gradient in the scale is even in ε up to its linear part: a pair is worth one sample."""
    problem, rows = simulated
    scale = problem.names() == "scale"
    alone, pairs = (
        rows[f"Reparameterization {antithetic}"][1][:, scale].var(axis=0)
        for antithetic in (False, True)
    )
    assert np.all(pairs < 2.5 * alone)
    assert np.any(pairs > 1.2 * alone)


def test_sticking_the_landing_takes_pairs(simulated, assert_mean):
    problem, rows = simulated
    scale = problem.names() == "scale"
    assert_mean(rows["landing"][1][:, scale], problem.exact_gradient()[scale])


# --- Errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [ScoreFunction(), BySite({"*/bias": ScoreFunction()}, default=Reparameterization())],
)
def test_score_function_takes_no_pairs(estimator):
    message = (
        "antithetic pairs need a pathwise estimator, got ScoreFunction: .*; set antithetic=False "
        "or use Reparameterization"
    )
    with bnn.Draw(0, estimator, antithetic=True), pytest.raises(ValueError, match=message):
        two_layers()(tf.ones((1, 4)))


def test_point_posteriors_take_pairs_with_any_estimator():
    layer = bnn.layers.Dense(
        2, kernel_posterior=bnn.posteriors.Point(), bias_posterior=bnn.posteriors.Point()
    )
    x = tf.ones((1, 3))
    mean = layer(x)
    for estimator in (ScoreFunction(), Mean()):
        with bnn.Draw(0, estimator, antithetic=True):
            np.testing.assert_allclose(layer(x), mean)


@pytest.mark.parametrize("kind", [NegativeELBO, StickingTheLanding])
def test_odd_number_of_samples(kind):
    with pytest.raises(ValueError, match="num_samples must be even for antithetic pairs, got 3; "):
        kind(bnn.likelihoods.Normal(), 10, 3, antithetic=True)


def test_unusable_sample_is_still_named():
    with pytest.raises(ValueError, match="sample must be an integer from 0"):
        bnn.Draw(0, Reparameterization(), sample=-1, antithetic=True)
