"""Snapshot ensembles: the cycles of the rate, and members that are the iterates at their ends."""

import keras
import numpy as np
import pytest
import samplers as s

import bnn
from bnn.diagnostics import check_method
from bnn.methods import SnapshotEnsemble
from bnn.methods.snapshot_ensemble import _Cycles
from bnn.posteriors import Point


def test_the_rate_is_that_of_the_paper():
    rate = _Cycles(0.1, [10, 20, 30])
    for step in range(30):
        exact = 0.05 * (1 + np.cos(np.pi * (step % 10) / 10))
        assert float(rate(step)) == pytest.approx(exact, abs=1e-6)
    assert float(rate(30)) == pytest.approx(0.0, abs=1e-8)


def ensemble(**options):
    optimizer = keras.optimizers.SGD(0.5)
    return s.built(SnapshotEnsemble(**options), optimizer=optimizer, total_steps=12)


def test_members_are_the_ends_of_the_cycles():
    method, ends = ensemble(num_cycles=3), []
    for step in range(12):
        s.run(method, step, step + 1)
        if step + 1 in (4, 8, 12):
            ends.append(s.values(method))
    x = s.data()[0]
    outputs = method.predict(x, 32, seed=0).numpy()
    assert outputs.shape == (3, s.NUM_TRAIN, 2)
    for member, values in zip(outputs, ends, strict=True):
        for variable, value in zip(method.problem.model.trainable_variables, values, strict=True):
            variable.assign(value)
        np.testing.assert_allclose(member, method.problem.model(x), atol=1e-6)
    np.testing.assert_array_equal(method.predict(x, 2, seed=0).numpy(), outputs[1:])
    assert not np.allclose(outputs[0], outputs[1])
    assert method.describe()["gradient_evaluations"] == 12 * 8


class WithoutJump(SnapshotEnsemble):
    """One cycle for all members."""

    def build(self, problem):
        super().build(problem)
        problem.optimizer.learning_rate = _Cycles(0.5, [problem.total_steps])


def test_a_training_without_cycles_has_other_members():
    one, other = (
        ensemble(num_cycles=3),
        s.built(WithoutJump(num_cycles=3), optimizer=keras.optimizers.SGD(0.5), total_steps=12),
    )
    for method in (one, other):
        s.run(method, 0, 12)
    ends = [np.ravel(method.archive.stacked()[0][-1]) for method in (one, other)]
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def test_the_rate_begins_where_the_runs_own_does():
    schedule = bnn.schedules.Cosine(0.3).for_keras(12)
    method = s.built(SnapshotEnsemble(num_cycles=2), optimizer=keras.optimizers.SGD(schedule))
    assert float(method.problem.optimizer.learning_rate) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_cycles": 0}, "num_cycles must be"),
        ({"learning_rate": -1.0}, r"learning_rate must be positive, or None .* got -1\.0"),
    ],
)
def test_unusable_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SnapshotEnsemble(**options)


def test_fewer_steps_than_cycles_are_refused():
    with pytest.raises(ValueError, match="num_cycles must be at most the run's 10 steps, got 11"):
        s.built(SnapshotEnsemble(num_cycles=11), optimizer="sgd")


@pytest.mark.slow
def test_it_keeps_to_the_interface_and_goes_on_after_a_kill():
    options = {"checks": ("interface", "loss", "restore"), "num_steps": 60}
    report = check_method(SnapshotEnsemble(), Point(), **options)
    assert report.ok, report
