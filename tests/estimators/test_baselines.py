import gin
import numpy as np
import pytest
import tensorflow as tf

from bnn.estimators import (
    LeaveOneOut,
    NoBaseline,
    RunningMean,
    ScoreFunction,
)

VALUES = tf.constant([3.0, -1.0, 4.0, 0.5])
NORMS = tf.constant([1.0, 0.5, 2.0, 8.0])


def test_no_baseline():
    np.testing.assert_array_equal(NoBaseline()(VALUES, NORMS), np.zeros(4))
    assert NoBaseline().variables == []


@pytest.mark.parametrize("size", [2, 3, 10])
def test_leave_one_out_is_the_mean_of_the_others(size, rng):
    values, norms = rng.normal(size=(2, size)).astype(np.float32)
    expected = [np.mean(np.delete(values, s)) for s in range(size)]
    np.testing.assert_allclose(LeaveOneOut()(values, norms), expected, rtol=1e-4, atol=1e-6)


def test_leave_one_out_does_not_depend_on_its_own_sample():
    with tf.GradientTape() as tape:
        tape.watch(VALUES)
        b = LeaveOneOut()(VALUES, NORMS)
    np.testing.assert_allclose(np.diag(tape.jacobian(b, VALUES)), np.zeros(4), atol=1e-7)


def test_leave_one_out_needs_two_samples():
    with pytest.raises(
        ValueError,
        match=r"leave-one-out baseline needs num_samples of at least 2 .*got 1; .*RunningMean\(\)",
    ):
        LeaveOneOut()(VALUES[:1], NORMS[:1])


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.99])
def test_running_mean_against_the_weighted_sum(decay, rng):
    """b_t = Σ_i decay^(t-1-i) mean(f_i) / Σ_i decay^(t-1-i), over the steps i before t."""
    baseline = RunningMean(decay)
    steps = rng.normal(size=(6, 3)).astype(np.float32)
    for t, values in enumerate(steps):
        weights = decay ** np.arange(t - 1.0, -1, -1)
        expected = np.sum(weights * steps[:t].mean(1)) / np.sum(weights) if t else 0.0
        actual = baseline(tf.constant(values), NORMS)
        np.testing.assert_allclose(actual, np.full(3, expected), rtol=1e-4, atol=1e-6)
        baseline.update(tf.constant(values))


def test_running_mean_of_a_constant_is_the_constant_after_one_step():
    baseline = RunningMean(0.999)
    baseline.update(tf.fill([2], 7.0))
    np.testing.assert_allclose(baseline(VALUES, NORMS), np.full(4, 7.0), rtol=1e-4)


def test_running_mean_in_every_mode(mode):
    """The state is created inside of the function, and outlives it."""
    baseline = RunningMean(0.5)

    @mode
    def step(values):
        b = baseline(values, NORMS)
        baseline.update(values)
        return b

    used = [float(step(tf.fill([2], value))[0]) for value in (1.0, 4.0, 0.0)]
    assert used == pytest.approx([0.0, 1.0, 3.0])  # (4 + 1/2) / (1 + 1/2)


def test_running_mean_state():
    baseline = RunningMean()
    assert [v.trainable for v in baseline.variables] == [False, False]
    assert baseline.variables[0] is baseline.variables[0]
    with tf.GradientTape() as tape:
        tape.watch(VALUES)
        baseline.update(VALUES)
        b = baseline(VALUES, NORMS)
    assert tape.gradient(b, VALUES) is None


def test_running_mean_state_survives_a_checkpoint(tmp_path):
    baseline, restored = RunningMean(), RunningMean()
    baseline.update(VALUES)
    state = tf.train.Checkpoint(variables=baseline.variables).save(str(tmp_path / "state"))
    tf.train.Checkpoint(variables=restored.variables).restore(state).assert_consumed()
    np.testing.assert_array_equal(restored(VALUES, NORMS), baseline(VALUES, NORMS))


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_unusable_decay(decay):
    with pytest.raises(
        ValueError, match=f"decay must be at least 0 and below 1, got {decay}; try 0.9"
    ):
        RunningMean(decay)


def test_score_function_without_a_baseline_has_none():
    assert isinstance(ScoreFunction().baseline, NoBaseline)
    baseline = RunningMean()
    assert ScoreFunction(baseline).baseline is baseline


@pytest.mark.parametrize(
    "name",
    ["NoBaseline", "LeaveOneOut", "OptimalCoefficient", "RunningMean", "DefensiveMixture"],
)
def test_gin_knows_each(name):
    assert gin.get_configurable(f"bnn.estimators.{name}")().__class__.__name__ == name
