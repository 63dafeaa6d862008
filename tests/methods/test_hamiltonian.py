"""HMC and NUTS: exact on problems with a known posterior; mistakes that the contract must see."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import samplers as s
import tensorflow as tf

import bnn
from bnn import experiment
from bnn.diagnostics import Law, Verdict, check_method
from bnn.methods import HMC, NUTS
from bnn.methods.hamiltonian import dual_averaging, mcmc
from bnn.posteriors import Point
from bnn.runs.configuration import parse
from bnn.training.stepper import identity

GIN = Path(__file__).parents[2] / "gin_configs" / "digits.gin"
METHODS = {
    "hmc": lambda **options: HMC(8, step_size=0.1, warm_start=0, burn_in=0.1, **options),
    "nuts": lambda **options: NUTS(5, step_size=0.1, warm_start=0, burn_in=0.1, **options),
}
EACH = pytest.mark.parametrize("name", METHODS)
CHAIN = {"num_steps": 10_000, "batch_size": 32, "num_samples": 10**5}
SHORT = {"num_steps": 12, "batch_size": 32}


def check(method, *checks, **arguments):
    return check_method(method, Point(), checks=checks, **{**CHAIN, **arguments})


@pytest.mark.slow
@EACH
def test_the_posterior_is_exact(name):
    report = check(METHODS[name](thinning=2), "posterior", tolerance=0.02)
    assert report.ok, report


@pytest.mark.slow
@EACH
def test_several_chains_have_a_tempered_posterior(name):
    def law(regression):
        return Law(regression.exact().mean, 0.5 * regression.exact().covariance)

    method = METHODS[name](thinning=2, num_chains=3, temperature=0.5)
    options = {"exact_posterior": False, "documented": law, "num_steps": 4000}
    report = check(method, "posterior", tolerance=0.02, **options)
    assert report.ok, report
    assert report.num_draws == 3 * 1800


class SameMomentum(HMC):
    """Every transition begins with the momentum of the first."""

    def kernel(self, log_joint, state, step_size, noise):
        return super().kernel(log_joint, state, step_size, noise.at(step=0))


class AlwaysAccepted(HMC):
    """Proposals are taken whatever their energy, at a step size that is not small."""

    def kernel(self, log_joint, state, step_size, noise):
        normal, w = noise.normal(state.shape), state
        for _ in range(3):
            normal += 0.5 * 0.55 * _slope(log_joint, w)
            w += 0.55 * normal
            normal += 0.5 * 0.55 * _slope(log_joint, w)
        done = super().kernel(log_joint, state, step_size, noise)
        return done._replace(state=w)


def _slope(log_joint, state):
    with tf.GradientTape() as tape:
        tape.watch(state)
        total = tf.reduce_sum(log_joint(state))
    return tape.gradient(total, state)


class SquaredTemperature(HMC):
    """The density is that of T²."""

    def kernel(self, log_joint, state, step_size, noise):
        colder = lambda w: log_joint(w) / self.temperature  # noqa: E731
        return super().kernel(colder, state, step_size, noise)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SameMomentum, AlwaysAccepted, SquaredTemperature])
def test_another_law_is_caught(kind):
    temperature = 0.5 if kind is SquaredTemperature else 1.0

    def law(regression):
        return Law(regression.exact().mean, temperature * regression.exact().covariance)

    method = kind(8, step_size=0.1, warm_start=0, burn_in=0.1, thinning=2, temperature=temperature)
    report = check(method, "posterior", exact_posterior=False, documented=law)
    assert not report.ok, report
    if kind is not SameMomentum:  # whose chain is stuck: no effective samples are left
        assert report["posterior covariance"].verdict is Verdict.FAIL, report


@pytest.mark.slow
@EACH
def test_it_keeps_to_the_interface_and_goes_on_after_a_kill(name):
    report = check(METHODS[name](thinning=2), "interface", "loss", "restore", **SHORT)
    assert report.ok, report


def test_the_adaptation_is_tfps():
    """The same acceptances give the same step sizes."""
    rates = np.random.default_rng(0).uniform(0.3, 1.0, 8).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kernel = mcmc().DualAveragingStepSizeAdaptation(
            mcmc().HamiltonianMonteCarlo(lambda w: -0.5 * w**2, 0.1, 1),
            num_adaptation_steps=100,
            target_accept_prob=0.8,
        )
        results = kernel.bootstrap_results(tf.constant(0.0))
        state = tf.constant([0.0, np.log(0.1), np.log(0.1), 0.0])
        for rate in rates:
            state = dual_averaging(state, 0.8 - rate, 0.1)
            results = _told(kernel, results, rate)
    assert float(tf.exp(state[1])) == pytest.approx(
        float(tf.nest.flatten(results.new_step_size)[0]), rel=1e-4
    )
    (average,) = tf.nest.flatten(results.log_averaging_step)
    assert float(state[2]) == pytest.approx(float(average), rel=1e-4)


def _told(kernel, results, rate):
    """TFP's adaptation after a transition of this acceptance."""

    class Told:
        """Stands for the inner kernel."""

        def one_step(self, state, inner, seed=None):
            del seed
            ratio = tf.math.log(tf.constant(rate))
            return state, inner._replace(log_accept_ratio=ratio)

    held, kernel.parameters["inner_kernel"] = kernel.inner_kernel, Told()
    try:
        return kernel.one_step(tf.constant(0.0), results, seed=[0, 0])[1]
    finally:
        kernel.parameters["inner_kernel"] = held


def steps(method, first, last):
    return s.run(method, first, last, batch_size=s.NUM_TRAIN)


def test_chains_start_apart_and_the_model_is_the_first():
    method = s.built(HMC(2, num_chains=2, warm_start=0.4), optimizer="sgd")
    first, second = method.variables[1].numpy()
    assert not np.allclose(first, second)
    before = method._by_weight(method.variables[1].numpy())
    steps(method, 0, 1)  # a descent of each chain by itself
    after = method._by_weight(method.variables[1].numpy())
    assert all(np.any(a[1] != b[1]) for a, b in zip(after, before, strict=True))
    for value, weight in zip(after, method.weights, strict=True):
        np.testing.assert_array_equal(value[0], weight.numpy())
    (said,) = steps(method, 4, 5)
    assert 0 < float(said.metrics["acceptance"]) <= 1
    assert method.describe()["gradient_evaluations"] == s.NUM_TRAIN * 2 * (1 + 3)


def test_the_step_size_is_held_where_samples_are_taken():
    method = s.built(HMC(1, step_size=0.01, warm_start=0, burn_in=0.2))
    said = steps(method, 0, 4)
    sizes = [float(info.metrics["step_size"]) for info in said]
    assert sizes[0] == pytest.approx(0.01)
    assert sizes[1] != sizes[0]
    assert sizes[2] == sizes[3] == pytest.approx(method.describe()["step_size"])


def test_samples_stand_chain_after_chain_with_diagnostics():
    method = s.built(HMC(1, num_chains=2, burn_in=0.0, warm_start=0, thinning=1))
    steps(method, 0, 4)
    entries = method.archive.entries
    kernels = method.samples()[0]
    assert kernels.shape == (8, 3, 4)
    for number in range(4):
        for chain in range(2):
            expected = entries[number][0][chain][:12].reshape(3, 4)
            np.testing.assert_array_equal(kernels[4 * chain + number], expected)
    said = method.describe()["chains"]
    assert said["weights"]["r_hat"] > 1
    assert 0 < said["log joint"]["least_effective_samples"] <= 8
    joint = -s.NUM_TRAIN * float(method.loss(s.batches(s.NUM_TRAIN).at(0), s.noise_of(0)).loss)
    assert entries[-1][1].mean() == pytest.approx(joint, rel=1e-4)


def test_what_it_cannot_serve_is_refused():
    with pytest.raises(ValueError, match="needs all 24 examples in every step, got batches of 8"):
        s.run(s.built(HMC(1)), 0, 1)
    with pytest.raises(ValueError, match="num_chains must be 1 for a problem without make_model"):
        s.built(NUTS(num_chains=2), make_model=None)
    learned = bnn.likelihoods.Normal(trainable=True)
    learned.build(2)
    with pytest.raises(
        ValueError, match="holds noise_log_scale, which have none, at what the desc"
    ):
        s.built(HMC(1, warm_start=0), likelihood=learned, optimizer="sgd")


def test_noise_is_learned_in_the_descents_of_all_chains_and_held():
    learned = bnn.likelihoods.Normal(trainable=True)
    learned.build(2)
    method = s.built(HMC(1, num_chains=2, warm_start=0.2), likelihood=learned, optimizer="sgd")
    (scale,) = learned.variables
    _, (_, slope) = method.gradients(s.regression(), s.noise_of(0))
    values = [float(scale.value[0])]
    for step in range(3):
        method.step(s.regression(), s.noise_of(step), identity)
        values.append(float(scale.value[0]))
    assert values[1] == pytest.approx(values[0] - 0.01 * float(slope[0]), rel=1e-5)
    assert values[0] != values[1] != values[2] == values[3]


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (HMC, {"num_leapfrog_steps": 0}, "num_leapfrog_steps must be an integer from 1 to 100000"),
        (HMC, {"jitter": 1.0}, r"jitter must be at least 0 and below 1, got 1\.0"),
        (HMC, {"num_chains": 0}, "num_chains must be an integer of at least 1, got 0"),
        (HMC, {"temperature": 0.0}, r"temperature must be positive, got 0\.0"),
        (HMC, {"step_size": bnn.schedules.Constant(1.0)}, "step_size must be a number, got"),
        (NUTS, {"target_acceptance": 1.0}, "strictly between 0 and 1, got 1"),
        (NUTS, {"max_tree_depth": 21}, "max_tree_depth must be an integer from 1 to 20, got 21"),
    ],
)
def test_unusable_arguments_of_chains_are_refused(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


@pytest.mark.usefixtures("clean_gin", "cheap_runs")
@pytest.mark.parametrize("name", ["HMC", pytest.param("NUTS", marks=pytest.mark.slow)])
def test_one_binding_takes_all_the_data_in_every_step(name, tmp_path):
    """The same file as variational inference; an epoch is a step."""
    short = {"HMC": "HMC.num_leapfrog_steps = 1", "NUTS": "NUTS.max_tree_depth = 2"}[name]
    small = ["run.tracker = None", "mlp.hidden = (4,)", "run.epochs = 4", short]
    parse([str(GIN)], [*small, f"run.method = @{name}()"])
    done = experiment.run(tmp_path / "run")
    assert done.results["steps"] == 4
    assert done.results["stored_samples"] == 2
    inputs = done.data.x_test[:5]
    restored = bnn.restore(tmp_path / "run")
    np.testing.assert_allclose(restored.predict(inputs, 2), done.predict(inputs, 2), atol=1e-6)
