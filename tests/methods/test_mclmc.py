"""MCLMC: its maps by other programs, its law where it is known; mistakes that must be seen."""

from pathlib import Path

import numpy as np
import pytest
import samplers as s
import tensorflow as tf
from scipy.integrate import solve_ivp

import bnn
from bnn import experiment
from bnn.diagnostics import Law, check_method
from bnn.methods import MCLMC
from bnn.methods.mclmc import refreshed, turned
from bnn.posteriors import Point
from bnn.runs.configuration import parse

GIN = Path(__file__).parents[2] / "gin_configs" / "digits.gin"
CHAIN = {"num_steps": 10_000, "batch_size": 32, "num_samples": 10**5}


def sampler(kind=MCLMC, **options):
    return kind(4, warm_start=0, burn_in=0.1, thinning=2, **options)


def units(rng, *shape):
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_the_turn_solves_its_equation(rng):
    """du/dt = (1 − u uᵀ) g / (D − 1) by SciPy, and E's kinetic part is ∫ u·g dt."""
    velocity, slope, time = units(rng, 2, 5), 6 * rng.normal(size=(2, 5)), 0.7
    found, kinetic = turned(tf.constant(velocity, tf.float32), tf.constant(slope, tf.float32), time)
    for u, g, end, energy in zip(velocity, slope, found.numpy(), kinetic.numpy(), strict=True):

        def rates(_, state, g=g):
            along = state[:5] @ g
            return np.append((g - state[:5] * along) / 4, along)

        exact = solve_ivp(rates, (0, time), np.append(u, 0.0), rtol=1e-9, atol=1e-10).y[:, -1]
        np.testing.assert_allclose(end, exact[:5], atol=2e-6)
        assert energy == pytest.approx(exact[5], rel=1e-5)


def test_a_turn_in_a_great_force_does_not_overflow():
    velocity = tf.constant([[1.0, 0.0, 0.0]])
    found, kinetic = turned(velocity, tf.constant([[0.0, 1e8, 0.0]]), 1.0)
    np.testing.assert_allclose(found.numpy(), [[0.0, 1.0, 0.0]], atol=1e-6)
    assert np.isfinite(kinetic.numpy()).all()
    still, kinetic = turned(velocity, tf.zeros((1, 3)), 1.0)
    np.testing.assert_allclose(still.numpy(), velocity.numpy(), atol=1e-6)
    assert float(kinetic[0]) == pytest.approx(0.0, abs=1e-6)


def test_the_velocity_forgets_its_direction_in_the_decoherence_length(rng, assert_mean):
    """E[u'·u] = exp(−t / L) to first order in t, for many weights."""
    velocity = tf.constant(np.repeat(units(rng, 1, 100), 4000, 0), tf.float32)
    normal = tf.constant(rng.normal(size=(4000, 100)), tf.float32)
    after = refreshed(velocity, normal, 0.05)
    assert np.allclose(np.linalg.norm(after, axis=-1), 1.0, atol=1e-5)
    assert np.mean(np.sum(after * velocity, -1)) == pytest.approx(np.exp(-0.05), abs=2e-3)


def normal_law(state):
    """−U of an uncorrelated normal with scales 1, 2, 3, …"""
    scales = tf.range(1.0, state.shape[1] + 1.0)
    return -0.5 * tf.reduce_sum(tf.square(state / scales), -1)


def by_hand(state, velocity, size, scales):
    """One step without noise, in float64, and its ΔE."""
    energy, b = 0.5 * np.sum((state / scales) ** 2), 0.1931833275037836
    total = -energy

    def turn(u, part):
        g = -state / scales**2
        norm, dims = np.linalg.norm(g), len(u)
        delta, along = part * size * norm / (dims - 1), u @ g / norm
        raw = u + g / norm * (np.sinh(delta) + along * (np.cosh(delta) - 1))
        grown = np.cosh(delta) + along * np.sinh(delta)
        return raw / grown, (dims - 1) * np.log(grown)

    velocity, kinetic = turn(velocity, b)
    for part in (1 - 2 * b, b):
        state = state + 0.5 * size * velocity
        velocity, more = turn(velocity, part)
        kinetic += more
    return state, velocity, total + kinetic + 0.5 * np.sum((state / scales) ** 2)


def test_a_step_is_the_same_in_other_words(rng):
    method, state, velocity = MCLMC(1), rng.normal(size=4), units(rng, 4)
    at = [tf.constant([v], tf.float32) for v in (state, velocity)]
    with tf.GradientTape() as tape:
        tape.watch(at[0])
        value = normal_law(at[0])
    at += [value, tape.gradient(value, at[0])]
    none = tf.constant(1e30)  # the decoherence length: no noise
    for size in (3.0, 1.2):
        moved, change = method.integrate(normal_law, tuple(at), size, none, s.noise_of(0))
        exact = by_hand(state, velocity, size, np.arange(1.0, 5.0))
        np.testing.assert_allclose(moved[0].numpy()[0], exact[0], atol=1e-5)
        np.testing.assert_allclose(moved[1].numpy()[0], exact[1], atol=1e-5)
        assert float(change[0]) == pytest.approx(exact[2], abs=2e-6)


def test_the_energy_is_kept_to_third_order(rng):
    starts = [(rng.normal(size=6), units(rng, 6)) for _ in range(20)]
    errors = [
        np.mean([abs(by_hand(*start, size, np.ones(6))[2]) for start in starts])
        for size in (0.2, 0.1)
    ]
    assert 7 < errors[0] / errors[1] < 9


def steps(method, first, last):
    return s.run(method, first, last, batch_size=s.NUM_TRAIN)


def test_step_size_and_length_are_found_in_the_burn_in_and_held():
    method = s.built(MCLMC(1, num_chains=2, warm_start=0, burn_in=0.4), total_steps=10)
    said = steps(method, 0, 6)
    sizes = [float(info.metrics["step_size"]) for info in said]
    lengths = [float(info.metrics["decoherence_length"]) for info in said]
    assert len({*sizes[:4]}) == 4
    assert sizes[3] == sizes[4] == sizes[5] == pytest.approx(method.describe()["step_size"])
    assert lengths[:4] == pytest.approx([np.sqrt(method.size)] * 4)
    assert lengths[4] == lengths[5] != lengths[0]
    velocities = method._velocities.numpy()
    np.testing.assert_allclose(np.linalg.norm(velocities, axis=1), 1.0, atol=1e-5)
    assert not np.allclose(*velocities)
    assert method.describe()["gradient_evaluations"] == s.NUM_TRAIN * 2 * 6 * 3


def test_the_length_is_the_spread_of_the_second_half():
    method = s.built(MCLMC(1, warm_start=0, burn_in=0.8), total_steps=5)
    states = []
    for step in range(4):
        steps(method, step, step + 1)
        states.append(method._chains.numpy()[0])
    spread = np.sqrt(np.var(states[2:4], axis=0).sum())
    assert method.describe()["decoherence_length"] == pytest.approx(spread, rel=1e-4)


def test_a_step_that_is_not_finite_is_taken_back():
    method = s.built(MCLMC(1, warm_start=0, step_size=1e30, decoherence_length=1.0))
    before = method._chains.numpy()
    (said,) = steps(method, 0, 1)
    np.testing.assert_array_equal(method._chains.numpy(), before)
    assert float(said.metrics["not_finite"]) == 1.0
    assert float(said.metrics["step_size"]) == pytest.approx(0.8e30)
    assert np.isfinite(method._velocities.numpy()).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_integrator_steps": 0}, "num_integrator_steps must be an integer from 1 to 100000"),
        ({"energy_variance": 0.0}, r"energy_variance must be positive, got 0\.0; 5e-4 is usual"),
        ({"decoherence_length": -1.0}, r"decoherence_length must be positive, or None .* -1\.0"),
        ({"step_size": 0.0}, r"step_size must be a positive number, got 0\.0"),
    ],
)
def test_unusable_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MCLMC(**options)


def test_a_chain_without_burn_in_needs_its_length():
    with pytest.raises(ValueError, match="find its length in, got 0 of 10; use"):
        s.built(MCLMC(1, warm_start=0, burn_in=0.0))
    s.built(MCLMC(1, warm_start=0, burn_in=0.0, decoherence_length=1.0))


@pytest.mark.slow
def test_the_posterior_is_exact():
    report = check_method(sampler(), Point(), checks=("posterior",), tolerance=0.02, **CHAIN)
    assert report.ok, report


def tempered(regression):
    return Law(regression.exact().mean, 0.5 * regression.exact().covariance)


@pytest.mark.slow
def test_several_chains_have_a_tempered_posterior():
    method = sampler(num_chains=3, temperature=0.5)
    options = {**CHAIN, "exact_posterior": False, "documented": tempered, "num_steps": 4000}
    report = check_method(method, Point(), checks=("posterior",), tolerance=0.02, **options)
    assert report.ok, report
    assert report.num_draws == 3 * 1800


class AnotherDimension(MCLMC):
    """The force over D, not D − 1."""

    def integrate(self, log_joint, at, size, length, noise):
        of_one = (self.size - 1) / self.size
        less = lambda w: of_one * log_joint(w)  # noqa: E731
        value, slope = of_one * at[2], of_one * at[3]
        moved, change = super().integrate(less, (*at[:2], value, slope), size, length, noise)
        return (*moved[:2], moved[2] / of_one, moved[3] / of_one), change


class WithoutNoise(MCLMC):
    """The velocity is never refreshed."""

    def integrate(self, log_joint, at, size, length, noise):
        begun = tf.where(tf.norm(at[1], axis=-1) > 0.5, 1e30, length)[0]
        return super().integrate(log_joint, at, size, begun, noise)


class SquaredTemperature(MCLMC):
    """The density is that of T²."""

    def transition(self, log_joint, noise):
        return super().transition(lambda w: log_joint(w) / self.temperature, noise)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AnotherDimension, WithoutNoise, SquaredTemperature])
def test_another_law_is_caught(kind):
    options = {**CHAIN, "exact_posterior": False, "documented": tempered}
    method = sampler(kind, temperature=0.5)
    report = check_method(method, Point(), checks=("posterior",), **options)
    assert not report.ok, report


@pytest.mark.slow
def test_it_keeps_to_the_interface_and_goes_on_after_a_kill():
    options = {"checks": ("interface", "loss", "restore"), "num_steps": 12, "batch_size": 32}
    report = check_method(MCLMC(2, warm_start=0), Point(), **options)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.usefixtures("clean_gin", "cheap_runs")
def test_one_binding_takes_all_the_data_in_every_step(tmp_path):
    small = ["run.tracker = None", "mlp.hidden = (4,)", "run.epochs = 6"]
    parse([str(GIN)], [*small, "MCLMC.num_integrator_steps = 1", "run.method = @MCLMC()"])
    done = experiment.run(tmp_path / "run")
    assert done.results["steps"] == 6
    inputs = done.data.x_test[:5]
    restored = bnn.restore(tmp_path / "run")
    np.testing.assert_allclose(restored.predict(inputs, 2), done.predict(inputs, 2), atol=1e-6)
