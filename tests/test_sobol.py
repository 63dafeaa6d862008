"""Samples that are coupled as scrambled Sobol points."""

import functools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import bnn
from bnn import estimators
from bnn.diagnostics import check_estimator
from bnn.noise import Noise, Sobol
from bnn.noise import sobol as sobol_module
from bnn.objectives import NegativeELBO, StickingTheLanding

COUNT = 20_000


def points(samples, size, scope="tensor", seed=3, **coordinates):
    """Uniform numbers `[S, size]` of one net."""
    coupling = Sobol(samples, scope, first=0 if scope == "model" else None)
    noise = Noise(seed, sobol=coupling, **coordinates)
    return np.stack([noise.at(sample=s).uniform([size]).numpy() for s in range(samples)])


def assert_stratified(u):
    """Of S points in a dimension each S-th of the interval has one."""
    strata = np.sort((u * len(u)).astype(int), axis=0)
    np.testing.assert_array_equal(strata, np.broadcast_to(np.arange(len(u))[:, None], u.shape))


def assert_net(x, y):
    """Two dimensions of S = 2^m points: every elementary rectangle of area 1/S has one point."""
    samples = len(x)
    for rows in 2 ** np.arange(samples.bit_length()):
        columns = samples // rows
        cells = (x * rows).astype(int) * columns + (y * columns).astype(int)
        assert len(set(cells)) == samples, f"{rows} × {columns}"


# --- The points -------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["tensor", "model"])
@pytest.mark.parametrize("samples", [2, 8, 32])
def test_every_number_is_stratified_over_the_samples(samples, scope):
    assert_stratified(points(samples, 101, scope, step=7))
    assert_stratified(points(samples, 101, scope, step=8, site=3))


@pytest.mark.parametrize("scope", ["tensor", "model"])
@pytest.mark.parametrize("step", range(3))
def test_the_first_two_dimensions_are_a_net(step, scope):
    u = points(16, 12, scope, step=step)
    assert_net(u[:, 0], u[:, 1])
    if scope == "tensor":  # every block of four begins with a net of its own
        assert_net(u[:, 4], u[:, 5])
        assert_net(u[:, 8], u[:, 9])


def test_a_shift_by_sample_is_caught(monkeypatch):
    """The defect: a scramble of its own for every sample, which leaves independent numbers."""
    words = Sobol.words

    def independent(self, key, first, count, sample):
        key = sobol_module.threefry(key, (sample, sample))
        return words(self, key, first, count, sample)

    monkeypatch.setattr(Sobol, "words", independent)
    with pytest.raises(AssertionError):
        assert_stratified(points(8, 101))
    first, second = points(16, 2).T
    with pytest.raises(AssertionError):
        assert_net(first, second)


@pytest.mark.parametrize("scope", ["tensor", "model"])
@pytest.mark.parametrize("sample", [0, 3, 9])
def test_each_sample_is_standard_normal(sample, scope, p_limit):
    coupling = Sobol(4, scope, first=0 if scope == "model" else None)
    z = Noise(5, sample=sample, sobol=coupling).normal([COUNT]).numpy()
    assert scipy.stats.kstest(z, "norm").pvalue > p_limit


def test_a_number_is_uniform_over_the_steps(p_limit):
    @tf.function(jit_compile=True, autograph=False)
    def run():
        return tf.map_fn(
            lambda step: Noise(0, step, sample=1, sobol=Sobol(4)).uniform([6]),
            tf.range(4096),
            fn_output_signature=tf.float32,
        )

    for u in run().numpy().T:
        assert scipy.stats.kstest(u, "uniform").pvalue > p_limit


def signs_of(noise):
    return np.sign(noise.normal([COUNT]).numpy())


def test_nets_sites_and_blocks_are_independent(z_limit):
    """Of two samples a weight has one of each sign; which one is a matter of its own block."""
    coupling = Noise(2, sobol=Sobol(2))
    first = signs_of(coupling)
    np.testing.assert_array_equal(first, -signs_of(coupling.at(sample=1)))
    for other in (coupling.at(sample=2), coupling.at(site=1), coupling.at(part=1)):
        assert abs(np.mean(first * signs_of(other))) * np.sqrt(COUNT) < z_limit
    blocks = first.reshape(-1, 4)
    assert abs(np.mean(blocks[1:, 0] * blocks[:-1, 0])) * np.sqrt(COUNT / 4) < z_limit


def test_blocks_meet_their_points_in_orders_of_their_own(monkeypatch):
    """Four samples of two weights in different blocks: with one order for all they would move as
    one, each pair of samples in the same or in opposite halves at all steps.
    """

    def halves_agree():
        u = np.stack([points(4, 5, step=s)[:, [0, 4]] for s in range(24)])
        halves = u > 0.5
        same = halves[:, :, 0] == halves[:, :, 1]
        return np.isin(same.sum(axis=1), (0, 4)).mean()

    # A random order matches the halves of four points wholly in one of three cases.
    assert halves_agree() == pytest.approx(1 / 3, abs=0.3)
    scramble = sobol_module._scramble

    def unshuffled(x, seed):
        return x if x.shape.rank == 0 else scramble(x, seed)

    monkeypatch.setattr(sobol_module, "_scramble", unshuffled)
    assert halves_agree() == 1.0


def test_the_sample_may_be_a_tensor(mode):
    @mode
    def words(sample):
        return Noise(3, sample=sample, sobol=Sobol(8)).uniform([20])

    for sample in (0, 5, 11):
        expected = Noise(3, sample=sample, sobol=Sobol(8)).uniform([20])
        np.testing.assert_array_equal(words(tf.constant(sample)), expected)


def test_large_tensors_are_made_by_the_compiled_kernel():
    noise = Noise(3, sample=5, sobol=Sobol(8))
    np.testing.assert_array_equal(noise.uniform([20_000])[:101], noise.uniform([101]))


def test_noise_by_example_depends_on_its_place_in_the_global_batch():
    noise = Noise(3, sample=2, sobol=Sobol(8))
    whole = noise.uniform([6, 3], per_example=True)
    for offset in (0, 2, tf.constant(4)):
        part = noise.at(example_offset=offset).uniform([2, 3], per_example=True)
        first = int(offset)
        np.testing.assert_array_equal(part, whole[first : first + 2])


def test_signs_and_bits_are_not_coupled():
    for kind in ("signs", "bits"):
        coupled = getattr(Noise(3, sample=1, sobol=Sobol(8)), kind)([50])
        np.testing.assert_array_equal(coupled, getattr(Noise(3, sample=1), kind)([50]))


# --- Draws and objectives ---------------------------------------------------------------------


def two_weights():
    """Two layers of one weight each."""
    return keras.Sequential(
        [keras.Input((1,))] + [bnn.layers.Dense(1, use_bias=False) for _ in range(2)]
    )


def test_the_weights_of_a_model_are_dimensions_of_one_sequence():
    model = two_weights()
    drawn = []
    for sample in range(16):
        noise = Noise(1, sample=sample, sobol=Sobol(16, "model"))
        with bnn.Draw(noise, estimators.Reparameterization()) as draw:
            model(tf.ones((1, 1)))
        mean_free = [float((draw.weights[s] - s.posterior.mean)[0, 0]) for s in draw.sites]
        drawn.append(scipy.stats.norm.cdf(np.array(mean_free) / 0.02))
    drawn = np.array(drawn)
    assert_net(drawn[:, 0], drawn[:, 1])
    apart = [points(16, 1, site=site)[:, 0] for site in (0, 1)]  # nets of their own
    with pytest.raises(AssertionError):
        assert_net(*apart)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [NegativeELBO, StickingTheLanding])
@pytest.mark.parametrize("scope", ["tensor", "model"])
def test_the_gradient_keeps_its_expectation(objective, scope):
    report = check_estimator(
        estimators.Reparameterization(),
        bnn.layers.Dense(2),
        input_shape=(3, 3),
        objective=functools.partial(objective, sobol=scope),
        num_samples=4,
        checks=("gradients",),
        num_draws=2**12,
    )
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [estimators.LocalReparameterization(), estimators.Flipout()])
def test_other_estimators_keep_theirs(estimator):
    report = check_estimator(
        estimator,
        bnn.layers.Dense(2),
        input_shape=(3, 3),
        objective=functools.partial(NegativeELBO, sobol="tensor"),
        num_samples=4,
        checks=("gradients",),
        num_draws=2**12,
    )
    assert report.ok, report


def variance_of_the_mean(samples, **coupling):
    """Of Σ w² over S samples of twelve standard normal weights, by 512 steps."""

    @tf.function(jit_compile=True, autograph=False)
    def run():
        def one(number):
            noise = Noise(4, number // samples, sample=number % samples, **coupling)
            return tf.reduce_sum(noise.normal([12]) ** 2)

        return tf.map_fn(one, tf.range(512 * samples), fn_output_signature=tf.float32)

    return run().numpy().reshape(512, samples).mean(axis=1).var(ddof=1)


def test_the_variance_is_that_of_stratified_numbers():
    """For a sum over the weights it is what is left within the S strata of each:

    independent 12 · 2 / S,   antithetic pairs twice that, for squares are even,
    Sobol points 12 Σ_strata Var[z² | stratum] / S²
    """
    u = (np.arange(2**20) + 0.5) / 2**20
    within = (scipy.stats.norm.ppf(u) ** 2).reshape(16, -1).var(axis=1).sum()
    stratified = 12 * within / 16**2
    assert stratified < 0.25 * 24 / 16
    # 512 steps give a variance to 6 % of itself, and its tails are heavier than a normal's.
    assert variance_of_the_mean(16) == pytest.approx(24 / 16, rel=0.3)
    assert variance_of_the_mean(16, antithetic=True) == pytest.approx(24 / 8, rel=0.3)
    assert variance_of_the_mean(16, sobol=Sobol(16)) == pytest.approx(stratified, rel=0.4)


# --- Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3, 12, 2**13, True, 2.0])
def test_numbers_that_are_no_powers_of_two(count):
    with pytest.raises(ValueError, match=f"must be a power of 2 from 2 to 4096 .* got {count}"):
        Sobol(count)


def test_other_refusals():
    with pytest.raises(ValueError, match="sobol must be one of 'tensor', 'model' or None, got 'h"):
        NegativeELBO(num_samples=4, sobol="half")
    for make in (
        lambda: Noise(0, antithetic=True, sobol=Sobol(2)),
        lambda: NegativeELBO(num_samples=2, antithetic=True, sobol="tensor"),
    ):
        with pytest.raises(ValueError, match="coupled in one way, got antithetic=True and sobol="):
            make()
    model = two_weights()
    noise = Noise(0, sobol=Sobol(2))
    with (
        pytest.raises(ValueError, match="Sobol points need a pathwise estimator, got ScoreFunc"),
        bnn.Draw(noise, estimators.ScoreFunction()),
    ):
        model(tf.ones((1, 1)))
    whole = Noise(0, sobol=Sobol(2, "model"))
    refusal = "sobol='model' numbers the weights of a model: it serves posteriors and estimators"
    with (
        pytest.raises(ValueError, match=refusal),
        bnn.Draw(whole, estimators.LocalReparameterization()),
    ):
        model(tf.ones((1, 1)))
    large = bnn.layers.Dense(200, use_bias=False)
    with (
        pytest.raises(ValueError, match=r"has 21201 dimensions, and the model needs 40000 up to"),
        bnn.Draw(whole, estimators.Reparameterization()),
    ):
        large(tf.ones((1, 200)))


def test_the_objective_says_it():
    assert NegativeELBO(num_samples=4, sobol="model").describe()["sobol"] == "model"
    assert NegativeELBO(num_samples=4, sobol="tensor").coupling == Sobol(4)
    assert NegativeELBO(num_samples=4).coupling is None
