"""SGLD: its update, its law on a linear regression, and mistakes that the contract must see."""

import numpy as np
import pytest
import samplers as s

from bnn.diagnostics import ConjugateRegression, Law, Verdict, check_method
from bnn.diagnostics.trained_method import Recipe
from bnn.methods import SGLD
from bnn.posteriors import Point
from bnn.prediction import predict_blocks
from bnn.schedules import CosineCycles

STEP_SIZE = 0.05
CHAIN = {"num_steps": 15_000, "batch_size": 32, "tolerance": 0.02}
SHORT = {"num_steps": 16, "batch_size": 8, "jit_compile": False}


def moved(method, step=0):
    """Weights before and after a step, its slopes and its normal numbers, `[…]` by weight."""
    before = s.values(method)
    batch = s.batches().at(step)
    slopes = s.slopes(method, batch)
    method.step(batch, s.noise_of(step), lambda function: function)
    normal = [method.normal(s.noise_of(step), i).numpy() for i in range(len(before))]
    return zip(before, s.values(method), slopes, normal, strict=True)


@pytest.mark.parametrize("temperature", [1.0, 0.25, 0.0])
def test_the_update_is_the_equation(temperature):
    method = s.built(SGLD(1e-3, temperature=temperature))
    for before, after, slope, normal in moved(method):
        drift = 0.5 * 1e-3 * s.NUM_TRAIN * slope
        expected = before - drift + np.sqrt(1e-3 * temperature) * normal
        np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)


def test_the_preconditioned_update_is_the_equation():
    method = s.built(SGLD(1e-5, preconditioned=True, decay=0.9, damping=1e-3))
    for before, after, slope, normal in moved(method):
        scale = 1 / (1e-3 + np.sqrt(0.1 * slope**2))
        drift = 0.5 * 1e-5 * s.NUM_TRAIN * scale * slope
        expected = before - drift + np.sqrt(1e-5 * scale) * normal
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-6)


def test_the_preconditioner_is_fixed_where_samples_are_taken():
    method = s.built(SGLD(1e-5, preconditioned=True, burn_in=0.5))
    s.run(method, 0, 4)
    before = [v.numpy() for v in method.variables]
    s.run(method, 4, 5)
    fixed = [v.numpy() for v in method.variables]
    assert any(np.any(a != b) for a, b in zip(before[1:], fixed[1:], strict=True))
    s.run(method, 5, 7)
    for a, b in zip(method.variables[1:], fixed[1:], strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
    assert len(method.variables) == 1 + len(method.weights)


def test_cycles_explore_without_noise_and_keep_nothing_there():
    schedule = CosineCycles(1e-3, cycles=2, exploration=0.6)
    method = s.built(SGLD(schedule, warm_start=0.0, burn_in=0.0, thinning=1))
    assert method.archive.steps == [4, 5, 9, 10]
    for step, noisy in ((2, False), (3, True)):
        for before, after, slope, normal in moved(method, step):
            size = float(schedule(step / 10))
            change = after - before + 0.5 * size * s.NUM_TRAIN * slope
            np.testing.assert_allclose(change, np.sqrt(size) * normal * noisy, atol=1e-6)


# The whole gradient on a quadratic U: the law of the scheme itself.


def stationary(temperature, scale=1.0):
    """Of w ← w − ½ ε G Λ (w − m) + √(ε T G) ξ with one G: T [Λ (1 − ε G Λ / 4)]⁻¹."""

    def law(regression):
        precision = regression.precision
        inverse = precision @ (np.eye(len(precision)) - STEP_SIZE * scale * precision / 4)
        return Law(regression.exact().mean, temperature * np.linalg.inv(inverse))

    return law


def check(kind, *checks, temperature=1.0, thinning=8, **arguments):
    method = kind(STEP_SIZE, temperature=temperature, burn_in=0.02, warm_start=0, thinning=thinning)
    return check_method(
        method,
        Point(),
        exact_posterior=False,
        documented=stationary(temperature),
        checks=checks,
        **{**CHAIN, **arguments},
    )


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_law_on_the_whole_data_discretisation_included(temperature):
    report = check(SGLD, "posterior", temperature=temperature)
    assert report.ok, report
    assert report.num_draws > 1500


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_configurational_temperature_has_its_stated_mean(temperature, z_limit):
    """In blocks of 400 steps, which are independent; a squared temperature is seen."""
    regression = ConjugateRegression()
    method = SGLD(STEP_SIZE, temperature=temperature, burn_in=0.02, warm_start=0, thinning=1000)
    trained = Recipe(regression, method, Point(), None, 100_000, 32, 0, True).build()
    trained.run(0, 100_000)
    values = np.linalg.eigvalsh(regression.precision)
    expected = temperature * np.mean(1 / (1 - STEP_SIZE * values / 4))
    said = np.concatenate([h.metrics["configurational_temperature"] for h in trained.histories])
    blocks = said[800:].reshape(-1, 400).mean(1)
    error = blocks.std() / np.sqrt(len(blocks))
    assert error < 0.05 * expected
    assert abs(blocks.mean() - expected) < z_limit * error
    assert temperature == 1 or abs(blocks.mean() - temperature * expected) > z_limit * error


@pytest.mark.slow
@pytest.mark.parametrize("preconditioned", [False, True])
def test_small_steps_on_batches_have_the_exact_posterior(preconditioned):
    size = 2.5e-3 if preconditioned else 5e-3
    method = SGLD(
        size, preconditioned=preconditioned, burn_in=0.05, thinning=40, warm_start=0, damping=0.2
    )
    report = check_method(method, Point(), num_steps=120_000)
    assert report.ok, report


@pytest.mark.usefixtures("cheap_runs")
@pytest.mark.parametrize("preconditioned", [pytest.param(False, marks=pytest.mark.slow), True])
def test_it_keeps_to_the_interface_and_goes_on_after_a_kill(preconditioned):
    method = SGLD(1e-3, preconditioned=preconditioned, thinning=3)
    report = check_method(method, Point(), checks=("interface", "loss", "restore"), **SHORT)
    assert report.ok, report


class WithoutRootTwo(SGLD):
    """√(ε / 2) ξ."""

    def normal(self, noise, number):
        return super().normal(noise, number) / np.sqrt(2)


class SquaredTemperature(SGLD):
    """√(ε T²) ξ."""

    def heat(self, noise):
        return super().heat(noise) ** 2


class PriorByBatch(SGLD):
    """The prior is divided by the batch, and so counts N / B times."""

    def loss(self, batch, noise, training=True):
        info = super().loss(batch, noise, training)
        return info._replace(loss=info.metrics["nll"] + info.metrics["kl"] / batch.targets.shape[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "temperature", "rows"),
    [
        (WithoutRootTwo, 1.0, ["posterior covariance"]),
        (SquaredTemperature, 0.5, ["posterior covariance"]),
        (PriorByBatch, 1.0, ["posterior mean", "posterior covariance"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_another_law_is_caught(kind, temperature, rows):
    size = 8 if kind is PriorByBatch else 32
    report = check(kind, "posterior", temperature=temperature, batch_size=size)
    failed = [row.name for row in report.rows if row.verdict is Verdict.FAIL]
    assert failed == rows, report


@pytest.mark.usefixtures("cheap_runs")
def test_a_prior_by_batch_is_caught_in_a_few_steps():
    report = check(PriorByBatch, "loss", thinning=3, **SHORT)
    assert report["KL once, over N"].verdict is Verdict.FAIL, report


def test_describe_says_what_it_was_and_cost():
    method = s.built(SGLD(CosineCycles(1e-3, 2), temperature=0.5, burn_in=0.1, warm_start=0))
    s.run(method, 0, 10)
    said = method.describe()
    assert said["method"] == "SGLD"
    assert said["posterior"] == "tempered, its samples"
    assert said["gradient_evaluations"] == 10 * 8
    assert said["passes_over_the_data"] == 10 * 8 / s.NUM_TRAIN
    assert said["step_size"] == {
        **{"schedule": "CosineCycles", "value": 1e-3, "cycles": 2, "exploration": 0.8}
    }
    assert said["stored_samples"] == len(method.archive.entries) == len(method.archive.steps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": 1.0}, r"decay must be at least 0 and below 1, got 1\.0; 0\.99 is usual"),
        ({"damping": 0.0}, "damping must be positive, got 0"),
        ({"step_size": 0.0}, "step_size must be a positive number, got 0"),
        ({"step_size": "1e-4"}, "step_size must be a number or a schedule, got '1e-4'"),
        ({"temperature": -1.0}, r"temperature must be at least 0, got -1\.0"),
        ({"warm_start": 0.6}, r"0 <= warm_start <= burn_in < 1, got 0\.6 and 0\.5"),
        ({"burn_in": 1.0}, r"0 <= warm_start <= burn_in < 1, got 0\.3 and 1\.0"),
        ({"thinning": 0}, "thinning must be an integer of at least 1 step or None, got 0"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SGLD(**arguments)


def test_a_preconditioner_needs_steps_to_be_taken_from():
    method = SGLD(preconditioned=True, burn_in=0.0, warm_start=0.0)
    with pytest.raises(ValueError, match=r"preconditioned needs steps .* burn_in=0\.0 of 10"):
        s.built(method)


def test_streamed_and_resident_predictions_of_stored_samples_agree():
    """Block by block, as of whole arrays."""
    method = s.built(SGLD(1e-3, thinning=1))
    s.run(method, 4, 10)
    functions = method.functions(5, 0)
    assert functions.num_samples == 5
    x = s.data()[0]
    whole = method.predict(x, 5, 0).numpy()
    model = method.problem.model
    parts = list(predict_blocks(model, x, functions=functions, batch_size=7))
    assert len(parts) > 1
    for part in parts:
        np.testing.assert_allclose(part.outputs, whole[part.samples, part.rows], atol=1e-6)
    entry = method.archive.entries[0]
    for weight, value in zip(method.weights, entry, strict=True):
        weight.assign(value)
    np.testing.assert_allclose(whole[0], method.problem.model(x), atol=1e-6)
