"""SGHMC: its update, its law and temperatures on a linear regression, and mistakes to be seen."""

import numpy as np
import pytest
import samplers as s
from scipy.linalg import solve_discrete_lyapunov

from bnn.diagnostics import Law, Verdict, check_method
from bnn.diagnostics.conjugate import ConjugateRegression
from bnn.diagnostics.trained_method import Recipe
from bnn.methods import SGHMC
from bnn.posteriors import Point

STEP_SIZE, MOMENTUM = 0.4, 0.6
CHAIN = {"num_steps": 15_000, "batch_size": 32, "tolerance": 0.02}
SHORT = {"num_steps": 16, "batch_size": 8, "jit_compile": False}


def recursion(regression, temperature):
    """Covariance `[2D, 2D]` of (w, m) of the scheme on the whole data, by Lyapunov's equation."""
    size, h = regression.num_weights, np.sqrt(STEP_SIZE / regression.num_train)
    one, slope = np.eye(size), h * regression.precision
    momenta = np.hstack([-slope, MOMENTUM * one])
    transition = np.vstack([np.hstack([one, 0 * one]) + h * momenta, momenta])
    kick = np.sqrt(2 * (1 - MOMENTUM) * temperature) * np.vstack([h * one, one])
    return solve_discrete_lyapunov(transition, kick @ kick.T)


def stationary(temperature):
    def law(regression):
        size = regression.num_weights
        return Law(regression.exact().mean, recursion(regression, temperature)[:size, :size])

    return law


def factor(regression):
    """1 / (1 − ℓ λ / (2 + 2 β)) in every direction of the posterior."""
    curvature = np.linalg.eigvalsh(regression.precision) / regression.num_train
    return 1 / (1 - STEP_SIZE * curvature / (2 + 2 * MOMENTUM))


def test_the_stated_law_is_that_of_the_recursion():
    regression = ConjugateRegression()
    whole, size = recursion(regression, 0.7), regression.num_weights
    values, turn = np.linalg.eigh(regression.precision)
    stated = turn @ np.diag(0.7 * factor(regression) / values) @ turn.T
    np.testing.assert_allclose(whole[:size, :size], stated, rtol=1e-9)
    kinetic = (1 + MOMENTUM) / 2 * np.trace(whole[size:, size:]) / size
    assert kinetic == pytest.approx(0.7 * factor(regression).mean())
    assert factor(regression).max() > 1.05  # a factor that tests can see


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_the_update_is_the_equation(temperature):
    method = s.built(SGHMC(0.02, momentum=0.8, temperature=temperature))
    h = np.sqrt(0.02 / s.NUM_TRAIN)
    momenta = [np.zeros(v.shape) for v in method.weights]
    for step in range(2):
        before, batch = s.values(method), s.batches().at(step)
        slopes = s.slopes(method, batch)
        info = method.step(batch, s.noise_of(step), lambda function: function)
        for i, slope in enumerate(slopes):
            kick = np.sqrt(2 * 0.2 * temperature) * method.normal(s.noise_of(step), i).numpy()
            momenta[i] = 0.8 * momenta[i] - h * s.NUM_TRAIN * slope + kick
            np.testing.assert_allclose(
                s.values(method)[i], before[i] + h * momenta[i], rtol=1e-5, atol=1e-6
            )
        size = sum(v.size for v in before)
        kinetic = 0.9 * sum((m**2).sum() for m in momenta) / size
        virial = sum((b * g).sum() for b, g in zip(before, slopes, strict=True))
        assert float(info.metrics["kinetic_temperature"]) == pytest.approx(kinetic, rel=1e-5)
        assert float(info.metrics["configurational_temperature"]) == pytest.approx(
            s.NUM_TRAIN * virial / size, rel=1e-4
        )


def sampler(kind=SGHMC, temperature=1.0, thinning=8):
    options = {"burn_in": 0.02, "warm_start": 0, "thinning": thinning}
    return kind(STEP_SIZE, momentum=MOMENTUM, temperature=temperature, **options)


def check(kind, *checks, temperature=1.0, thinning=8, **arguments):
    return check_method(
        sampler(kind, temperature, thinning),
        Point(),
        exact_posterior=False,
        documented=stationary(temperature),
        checks=checks,
        **{**CHAIN, **arguments},
    )


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_law_on_the_whole_data_discretisation_included(temperature):
    report = check(SGHMC, "posterior", temperature=temperature)
    assert report.ok, report
    assert report.num_draws > 1500


@pytest.mark.slow
def test_small_steps_on_batches_have_the_exact_posterior():
    method = SGHMC(4e-3, momentum=0.9, burn_in=0.05, thinning=60, warm_start=0)
    report = check_method(method, Point(), num_steps=180_000)
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_both_temperatures_have_their_stated_mean(temperature, z_limit):
    """In blocks of 100 steps, which are independent: a block's memory is a few steps."""
    regression = ConjugateRegression()
    method = sampler(temperature=temperature, thinning=1000)
    trained = Recipe(regression, method, Point(), None, 100_000, 32, 0, True).build()
    trained.run(0, 100_000)
    expected = temperature * factor(regression).mean()
    for name in ("kinetic_temperature", "configurational_temperature"):
        said = np.concatenate([h.metrics[name] for h in trained.histories])[400:]
        blocks = said.reshape(-1, 100).mean(1)
        error = blocks.std() / np.sqrt(len(blocks))
        assert error < 0.02 * expected
        assert abs(blocks.mean() - expected) < z_limit * error, name


@pytest.mark.usefixtures("cheap_runs")
def test_it_keeps_to_the_interface_and_goes_on_after_a_kill():
    method = SGHMC(1e-3, thinning=3)
    report = check_method(method, Point(), checks=("interface", "loss", "restore"), **SHORT)
    assert report.ok, report


class WithoutRootTwo(SGHMC):
    """√((1 − β) T) ξ."""

    def normal(self, noise, number):
        return super().normal(noise, number) / np.sqrt(2)


class SquaredTemperature(SGHMC):
    """√(2 (1 − β) T²) ξ."""

    def heat(self, noise):
        return super().heat(noise) ** 2


class Frictionless(SGHMC):
    """The momentum decays by (1 + β) / 2, the noise is that of β."""

    def move(self, slopes, noise):
        for momentum in self._momenta:
            momentum.assign(momentum * (0.5 * (1 + self.momentum) / self.momentum))
        return super().move(slopes, noise)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "temperature"), [(WithoutRootTwo, 1.0), (SquaredTemperature, 0.5), (Frictionless, 1.0)]
)
def test_another_law_is_caught(kind, temperature):
    report = check(kind, "posterior", temperature=temperature)
    failed = [row.name for row in report.rows if row.verdict is Verdict.FAIL]
    assert failed == ["posterior covariance"], report


@pytest.mark.parametrize("momentum", [1.0, -0.1])
def test_an_unusable_momentum_is_refused(momentum):
    with pytest.raises(
        ValueError, match=f"momentum must be at least 0 and below 1, got {momentum}"
    ):
        SGHMC(momentum=momentum)
