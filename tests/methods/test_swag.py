"""SWA and SWAG: moments beside NumPy's, a closed form, the law of the functions, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from averaging import iterates, recipe, snapshots, swag_law

import bnn
from bnn.diagnostics import ConjugateRegression, Verdict, check_method
from bnn.diagnostics.chains import law_rows
from bnn.methods import MAP, SWA, SWAG, Problem
from bnn.methods.low_rank_draws import LowRankDraws
from bnn.methods.snapshots import Snapshots, hold_learning_rate
from bnn.posteriors import Point
from bnn.prediction import predict
from bnn.schedules import Cosine

STEPS, START, RANK = 400, 0.25, 5
OPTIONS = {"start": START, "num_snapshots": 30}
EVERY = 10  # 300 steps, 30 snapshots


@pytest.fixture(scope="module")
def descent():
    """A trained SWAG and its first weights."""
    return trained(SWAG(RANK, **OPTIONS))


def trained(method, **options):
    built = recipe(method, **options).build(start=1)
    start = built.method.trained[0].numpy()[:, 0]
    built.run(0, built.recipe.num_steps)
    return built, start


def law_of(built, start):
    taken = snapshots(iterates(built.recipe, start), STEPS * START, EVERY)
    return swag_law(taken, RANK)


def test_moments_are_those_of_numpys_own_descent(descent):
    law, diagonal, columns = law_of(*descent)
    moments = descent[0].method.moments()
    assert moments.num_snapshots == 30
    spread = np.sqrt(diagonal).min()
    np.testing.assert_allclose(moments.mean[0][:, 0], law.mean, atol=1e-4 * spread)
    np.testing.assert_allclose(moments.variance[0][:, 0], diagonal, rtol=1e-4)
    np.testing.assert_allclose(moments.columns[0][..., 0], columns, atol=1e-4 * spread)


@pytest.mark.slow
def test_the_average_of_descent_on_all_data_is_a_geometric_sum():
    """In the eigenbasis of Λ/N, w_t − m = (1 − ηλ)ᵗ (w₀ − m); its mean and variance over the steps.

    SWAG's documented bias: without any noise the drift alone makes a spread.
    """
    rate, steps = 0.2, 60
    options = {"start": 0.0, "num_snapshots": steps}
    built, start = trained(SWAG(2, **options), learning_rate=rate, num_steps=steps, batch_size=32)
    problem = built.recipe.regression
    values, vectors = np.linalg.eigh(problem.precision / problem.num_train)
    exact, shrink = problem.exact(), 1 - rate * values
    offset = vectors.T @ (start - exact.mean)
    first = offset * shrink * (1 - shrink**steps) / (1 - shrink) / steps
    square = shrink[:, np.newaxis] * shrink
    second = np.outer(offset, offset) * square * (1 - square**steps) / (1 - square) / steps
    covariance = vectors @ (second - np.outer(first, first)) @ vectors.T
    moments = built.method.moments()
    np.testing.assert_allclose(moments.mean[0][:, 0], exact.mean + vectors @ first, atol=1e-5)
    np.testing.assert_allclose(moments.variance[0][:, 0], np.diag(covariance), rtol=1e-3)


DEFECTS = {  # factors of scales and of columns
    "right": (1.0, 1.0),
    "one half is missing": (2**0.5, 2**0.5),
    "one half of the diagonal alone": (2**0.5, 1.0),
    "the diagonal alone": (1.0, 0.0),
    "K in place of K - 1": (1.0, ((RANK - 1) / RANK) ** 0.5),
}
EVERYDAY = ("right", "one half is missing")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in EVERYDAY else pytest.mark.slow) for n in DEFECTS]
)
def test_functions_have_the_documented_law_and_defects_are_seen(descent, name):
    built = descent[0]
    drawn = built.method.functions(20_000, 7)
    for part, factor in zip(("scales", "columns"), DEFECTS[name], strict=True):
        drawn.arguments[part] = [factor * value for value in drawn.arguments[part]]
    rows = law_rows(built.weights_of(drawn, jit_compile=True), law_of(*descent)[0], 1e-7, 1e-3)
    failed = [row.name for row in rows if row.verdict is not Verdict.PASS]
    assert failed == ([] if name == "right" else ["posterior covariance"]), rows


class WithoutHalf(SWAG):
    """Of the factor ½ of both parts."""

    def functions(self, num_samples, seed):
        drawn = super().functions(num_samples, seed)
        for part in ("scales", "columns"):
            drawn.arguments[part] = [2**0.5 * value for value in drawn.arguments[part]]
        return drawn


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SWAG, WithoutHalf])
def test_check_method_finds_the_documented_law_and_a_missing_half(kind):
    def documented(regression):
        """Where the beginning is forgotten: NumPy's iterates from anywhere."""
        del regression
        path = iterates(recipe(None), np.zeros(3))
        return swag_law(snapshots(path, STEPS * START, EVERY), RANK)[0]

    report = check_method(
        kind(RANK, **OPTIONS),
        Point(),
        exact_posterior=False,
        documented=documented,
        optimizer=keras.optimizers.SGD(0.5),
        num_steps=STEPS,
        tolerance=0.02,
    )
    failed = [row.name for row in report.rows if row.verdict is Verdict.FAIL]
    assert failed == ([] if kind is SWAG else ["posterior covariance"]), report


@pytest.mark.usefixtures("cheap_runs")
@pytest.mark.slow
@pytest.mark.parametrize("kind", [SWA, SWAG])
def test_the_interface_is_kept_and_training_goes_on_after_a_kill(kind):
    method = kind(start=0.4, num_snapshots=3)
    short = {"num_steps": 12, "jit_compile": False}
    report = check_method(method, Point(), checks=("interface", "loss", "restore"), **short)
    assert report.ok, report


@pytest.mark.slow
def test_swa_reaches_the_mode():
    report = check_method(
        SWA(start=0.5),
        Point(),
        exact_posterior=False,
        documented=ConjugateRegression.mode,
        num_steps=1500,
        num_samples=2,
        checks=("posterior",),
    )
    assert report.ok, report


def test_the_low_rank_part_correlates_the_tensors_of_a_model(z_limit):
    """Two variables of one number each: Cov = Σ_k columns_k columns_kᵀ + diag(scale²)."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    columns = np.array([[1.0, -2.0], [0.5, 0.7]], np.float32)  # [K, variable]
    drawn = LowRankDraws(
        model.trainable_variables,
        [tf.zeros([1, 1]), tf.zeros([1])],
        [tf.fill([1, 1], 0.3), tf.fill([1], 0.4)],
        [tf.reshape(columns[:, 0], [2, 1, 1]), tf.reshape(columns[:, 1], [2, 1])],
        5_000,
        seed=3,
    )
    at = predict(model, np.array([[0.0], [1.0]], np.float32), functions=drawn, num_samples=5_000)
    bias, total = np.asarray(at, np.float64)[..., 0].T
    weights = np.stack([total - bias, bias])
    exact = columns.T @ columns + np.diag([0.09, 0.16])
    for i in range(2):
        for j in range(2):
            products = weights[i] * weights[j]
            z = (products.mean() - exact[i, j]) / (products.std() / np.sqrt(products.size))
            assert abs(z) < z_limit, (i, j)


def test_snapshots_end_with_the_training_and_forget_none():
    found = []
    archive = Snapshots(found.append, every=7, first=10, last=40)
    step = 0
    while step < 60:
        step = archive.next_after(step)
        archive.note(step)
    assert found == [12, 19, 26, 33, 40]
    for step in range(50):  # steps between do nothing
        archive.note(step)
    assert found == [12, 19, 26, 33, 40] * 2


@pytest.mark.parametrize(("rate", "then"), [(None, 0.5), (0.03, 0.03)])
def test_the_rate_is_constant_from_the_start_on(rate, then):
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.learning_rate = Cosine(1.0).for_keras(100)
    hold_learning_rate(optimizer, 50, rate)
    held = optimizer._learning_rate
    assert float(held(25)) == pytest.approx(float(Cosine(1.0)(0.25)))
    for step in (50, 51, 99):
        assert float(held(step)) == pytest.approx(then, rel=1e-6)
    plain = keras.optimizers.SGD(0.1)
    hold_learning_rate(plain, 50, rate)
    plain.build([keras.Variable(0.0)])
    plain.iterations.assign(60)
    assert float(plain.learning_rate) == pytest.approx(0.1 if rate is None else rate)


def test_learned_noise_is_averaged_with_the_weights():
    likelihood = bnn.likelihoods.Normal(trainable=True)
    likelihood.build(1)
    regression = ConjugateRegression()
    problem = Problem(
        regression.model(Point()),
        likelihood,
        regression.num_train,
        total_steps=10,
        seed=0,
        optimizer=keras.optimizers.SGD(0.1),
    )
    method = SWAG(start=0.5, num_snapshots=5)
    method.build(problem)
    (noise,) = likelihood.trainable_variables
    for step in range(6, 11):
        noise.assign(tf.fill(noise.shape, float(step)))
        method.archive.note(step)
    np.testing.assert_allclose(noise, 8.0)
    assert len(method.functions(2, 0).variables) == 1


def plain(*layers):
    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])


def problem_of(model):
    likelihood = bnn.likelihoods.Normal()
    likelihood.build(1)
    return Problem(model, likelihood, 20, 10, 0, keras.optimizers.SGD(0.1))


UNFIT = {
    "rank": ({"rank": 1}, "rank must be an integer of at least 2, got 1"),
    "snapshots": ({"num_snapshots": 0}, "num_snapshots must be an integer of at least 1, got 0"),
    "start": ({"start": 1.0}, "start must be a share of the training from 0 to below 1, got 1.0"),
    "rate": ({"learning_rate": 0.0}, "learning_rate must be positive, or None .* got 0.0"),
}


@pytest.mark.parametrize(("arguments", "message"), UNFIT.values(), ids=UNFIT)
def test_unfit_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SWAG(**arguments)


def test_before_the_first_snapshot_the_current_weights_predict():
    method, model = SWAG(), plain()
    method.build(problem_of(model))
    inputs = np.ones((4, 3), np.float32)
    (outputs,) = method.predict(inputs, 5, 0)
    np.testing.assert_allclose(outputs, model(inputs), rtol=1e-6)
    assert isinstance(method, MAP)
    assert method.describe()["num_snapshots"] == 0
