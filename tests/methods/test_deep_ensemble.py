"""Ensembles: members beside runs of their own, their mixture, blocks, starts and refusals."""

import itertools

import keras
import numpy as np
import pytest
import samplers
import tensorflow as tf
from averaging import recipe

import bnn
from bnn.diagnostics import ConjugateRegression, check_method
from bnn.estimators import Reparameterization
from bnn.methods import (
    MAP,
    MCLMC,
    NUTS,
    SWA,
    SWAG,
    DeepEnsemble,
    Problem,
    StackedEnsemble,
    VariationalInference,
)
from bnn.methods.members import MemberArchive
from bnn.objectives import NegativeELBO
from bnn.posteriors import FullCovarianceNormal, MeanFieldNormal, Point
from bnn.schedules import Cosine
from bnn.training import Archive


def inference(**options):
    objective = NegativeELBO(num_samples=4, antithetic=True)
    return VariationalInference(Reparameterization(), objective, **options)


def trained(method, **options):
    built = recipe(method, **options).build(start=1)
    built.run(0, built.recipe.num_steps)
    built.finish()
    return built


FEW = {"learning_rate": 0.1, "num_steps": 30}


@pytest.mark.usefixtures("cheap_runs")
@pytest.mark.parametrize(
    "kind", [pytest.param(MAP, marks=pytest.mark.slow), lambda: SWAG(start=0.2, num_snapshots=4)]
)
def test_the_first_member_is_a_run_of_its_own_and_the_others_are_not(kind):
    """Weights and functions, to the bit."""
    whole = trained(DeepEnsemble(kind(), 3), **FEW)
    alone = trained(kind(), **{**FEW, "num_steps": 10})
    members = whole.method.members()
    own = [*alone.method.problem.model.variables, *alone.method.variables]
    for value, variable in zip(members[0].kept, own, strict=True):
        np.testing.assert_array_equal(value, variable)
    weights = [member.kept[0] for member in members]
    assert all(np.ptp(pair, axis=0).min() > 1e-4 for pair in itertools.pairwise(weights))
    np.testing.assert_array_equal(
        whole.weights_of(whole.method.functions(6, 3))[::3],
        alone.weights_of(alone.method.functions(2, 3))[: 1 if kind is MAP else 2],
    )


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: NUTS(warm_start=0), 1),
        (lambda: MCLMC(1, num_chains=2, warm_start=0), 2),
        (lambda: StackedEnsemble(2), 2),
    ],
    ids=["NUTS", "MCLMC", "StackedEnsemble"],
)
def test_members_whose_weights_are_the_methods_own_begin_differently(make, count):
    """Chains and stacks hold their weights themselves: none may begin where another did."""
    method = samplers.built(DeepEnsemble(make(), 2), total_steps=20, optimizer="sgd")
    begun = []
    for member in (0, 1):
        method._begin(member)
        own = np.asarray(method.method.trained[0]).reshape(count, -1)
        first = np.ravel(method.problem.model.trainable_variables[0])
        np.testing.assert_array_equal(own[0, : len(first)], first)
        begun += [*own[:, : len(first)]]
    for one, other in itertools.combinations(begun, 2):
        assert np.abs(one - other).max() > 1e-3


@pytest.mark.slow
def test_the_mean_of_members_is_the_mean_of_their_functions():
    built = trained(DeepEnsemble(MAP(), 3), **FEW)
    weights = np.stack([member.kept[0][:, 0] for member in built.method.members()])
    np.testing.assert_allclose(built.weights(8), weights, rtol=1e-6)  # a function counts once
    np.testing.assert_allclose(built.weights(2), weights[:2], rtol=1e-6)
    inputs = built.recipe.regression.inputs[:4]
    outputs = np.asarray(built.method.predict(inputs, 32, 0)).mean(0)[:, 0]
    np.testing.assert_allclose(outputs, inputs @ weights.mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_descent_on_all_data_takes_each_member_along_its_own_closed_form():
    """w_m after t steps: m + (I − ηΛ/N)ᵗ (w₀ₘ − m), each from its own w₀ₘ, of one mean."""
    used = {"learning_rate": 0.2, "num_steps": 36, "batch_size": 32}
    built = recipe(DeepEnsemble(MAP(), 3), **used).build(start=1)
    starts = [start[0][:, 0] for start in built.method._starts]
    built.run(0, 36)
    problem = built.recipe.regression
    step = np.eye(3) - 0.2 * problem.precision / problem.num_train
    mode = problem.exact().mean
    exact = [mode + np.linalg.matrix_power(step, 12) @ (start - mode) for start in starts]
    np.testing.assert_allclose(built.weights(3), exact, atol=1e-5)
    assert np.ptp(exact, axis=0).min() > 1e-3


def test_members_share_no_noise_and_each_runs_the_whole_schedule():
    method = inference(kl_weight=Cosine(1.0))
    ensemble = DeepEnsemble(method, 2)
    regression = ConjugateRegression()
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.learning_rate = Cosine(1.0).for_keras(20)
    problem = regression.problem(
        MeanFieldNormal(), 1, total_steps=20, seed=4, optimizer=optimizer, jit_compile=False
    )
    ensemble.build(problem)
    assert float(optimizer._learning_rate(5)) == pytest.approx(0.5)
    noises = [ensemble._of_member(bnn.Noise(4, tf.constant(s, tf.int64))) for s in (3, 13)]
    assert [float(method.progress(noise)) for noise in noises] == pytest.approx([0.3, 0.3])
    first, second = (noise.normal([4]).numpy() for noise in noises)
    np.testing.assert_array_equal(first, bnn.Noise(4, 3).normal([4]))
    assert not np.intersect1d(first, second).size


@pytest.mark.slow
def test_an_ensemble_of_exact_posteriors_is_exact():
    report = check_method(
        DeepEnsemble(inference(), 2),
        FullCovarianceNormal(0.2),
        # A schedule of Keras's own counts a member's steps.
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, 1500)),
        checks=("posterior",),
        num_steps=3000,
        num_samples=2048,
    )
    assert report.ok, report
    assert report.num_draws == 2048


@pytest.mark.slow
@pytest.mark.parametrize("kind", [inference, MAP, SWAG])
def test_compiled_ensembles_keep_the_contract_and_go_on_after_a_kill(kind):
    posterior = MeanFieldNormal(0.2) if kind is inference else Point()
    method = DeepEnsemble(kind(), 2)
    report = check_method(method, posterior, checks=("interface", "loss", "restore"))
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.usefixtures("cheap_runs")
def test_training_goes_on_after_a_kill():
    method = DeepEnsemble(SWAG(2, start=0.3, num_snapshots=2), 2)
    report = check_method(
        method,
        Point(),
        checks=("interface", "loss", "restore"),
        num_steps=12,
        jit_compile=False,
    )
    assert report.ok, report


class Noting(MAP):
    """With an archive of its own, as a sampler has."""

    def build(self, problem):
        super().build(problem)
        self.archive = Archive(list(self.trained), every=3, first=3)

    def functions(self, num_samples, seed):
        stored = self.archive.stacked()
        return bnn.prediction.StoredWeights(
            self.archive.variables, [v[:num_samples] for v in stored]
        )


@pytest.mark.usefixtures("cheap_runs")
def test_members_of_a_method_with_an_archive_have_their_own_entries(tmp_path):
    used = recipe(DeepEnsemble(Noting(), 2), num_steps=22)
    built = used.build(start=1)
    built.run(0, 15)
    (first,) = built.method.members()
    assert len(first.entries) == 3  # steps 3, 6 and 9 of 11
    assert len(built.method.archive.current()) == 1
    built.checkpoints(tmp_path).save(15)
    twin = used.build(start=1)
    assert twin.checkpoints(tmp_path).restore() == 15
    for each in (built, twin):
        each.run(15, 22)
        assert [len(member.entries) for member in each.method.members()] == [3, 3]
    np.testing.assert_array_equal(built.weights(6), twin.weights(6))
    assert len(np.unique(built.weights(6), axis=0)) == 6
    np.testing.assert_array_equal(
        built.weights(6)[::2], [entry[0][:, 0] for entry in first.entries]
    )


def test_blocks_of_unequal_length_end_with_the_run():
    begun = []
    variable = keras.Variable(0.0)
    archive = MemberArchive([variable], [3, 6, 10], None, begun.append)
    step, noted = 0, []
    while step < 10:
        step = archive.next_after(step)
        noted.append(step)
        archive.note(step)
    assert noted == [3, 6, 10]
    assert begun == [1, 2]
    assert len(archive.members()) == 3
    with pytest.raises(ValueError, match="step must be at most 10, got 11"):
        archive.note(11)


class SameStarts(DeepEnsemble):
    """The defect: every member begins with the weights of the first."""

    def _first_weights(self, problem):
        starts = super()._first_weights(problem)
        return [starts[0]] * len(starts)


@pytest.mark.usefixtures("cheap_runs")
def test_the_same_first_weights_are_seen(caplog):
    """On all data there is no noise but the start: the members of the defect are one."""
    used = {"learning_rate": 0.05, "num_steps": 20, "batch_size": 32}
    spread = [
        np.ptp(trained(kind(MAP(), 2), **used).weights(2), axis=0).max()
        for kind in (DeepEnsemble, SameStarts)
    ]
    assert spread[0] > 1e-2 > 1e-5 > spread[1]
    regression = ConjugateRegression()
    problem = regression.problem(
        Point(), total_steps=9, seed=0, optimizer=keras.optimizers.SGD(0.1), jit_compile=False
    )
    for maker, words in ((problem.make_model, "different"), (lambda: problem.model, "the same")):
        method = DeepEnsemble(MAP(), 2)
        optimizer = keras.optimizers.SGD(0.1)
        method.build(Problem(**{**vars(problem), "make_model": maker, "optimizer": optimizer}))
        assert method.describe()["first_weights"] == words
        assert ("begin with the same weights" in caplog.text) == (words == "the same")


def problem_of(likelihood=None, make_model=keras.Sequential, total_steps=10):
    likelihood = likelihood or bnn.likelihoods.Normal()
    likelihood.build(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)
    return Problem(model, likelihood, 20, total_steps, 0, optimizer, make_model=make_model)


class Finishing(MAP):
    def finish(self, batches):
        del batches


REFUSED = {
    "factory": (MAP, {"make_model": None}, "needs problem.make_model, a function that builds"),
    "steps": (MAP, {"total_steps": 4}, "num_members must be at most the run's 4 steps, got 5"),
    "noise": (
        MAP,
        {"likelihood": bnn.likelihoods.Normal(trainable=True)},
        r"cannot serve Normal with noise that is learned: .* HeteroscedasticNormal\(\)",
    ),
    "finish": (Finishing, {}, "cannot serve Finishing, which has work to do after training"),
}


@pytest.mark.parametrize(("kind", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_an_ensemble_cannot_serve_is_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        DeepEnsemble(kind()).build(problem_of(**options))


UNFIT = {
    "class": ({"method": MAP}, r"method must be a method object, got <class .* with the parenth"),
    "nested": ({"method": DeepEnsemble()}, "method must not be an ensemble itself; give num_mem"),
    "members": ({"num_members": 0}, "num_members must be an integer of at least 1, got 0"),
}


@pytest.mark.parametrize(("arguments", "message"), UNFIT.values(), ids=UNFIT)
def test_unfit_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DeepEnsemble(**arguments)


def test_what_results_say():
    described = DeepEnsemble(SWA(), 3).describe()
    assert described["method"] == "DeepEnsemble"
    assert (described["member"], described["num_members"]) == ("SWA", 3)
    assert described["posterior"] == "3 members: the average of iterates"
    assert DeepEnsemble().point_weights
    assert not DeepEnsemble(inference()).point_weights


def test_every_weight_sample_of_a_step_is_a_gradient():
    """Counted once, as it was, members of S samples seemed S times as cheap as one run of them."""
    built = recipe(DeepEnsemble(inference(), 2), **FEW).build(start=1)
    built.method._cost.spend(10)  # the examples of a step
    assert built.method.describe()["gradient_evaluations"] == 10 * 4
