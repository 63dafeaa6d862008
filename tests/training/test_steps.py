import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.schedules import Cosine
from bnn.training import TrainingSteps

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam, clipped": lambda: keras.optimizers.Adam(0.05, clipnorm=0.5),
    "adam, schedule": lambda: keras.optimizers.Adam(Cosine(0.1).for_keras(9)),
}


def by_hand(toy, optimizer, indices, num_steps):
    """The same updates, one eager step after the other."""
    variables = list(toy.trained.values())
    optimizer.build(variables)
    losses = []
    for step in range(num_steps):
        rows = indices(tf.constant(step, tf.int64)).numpy()
        with tf.GradientTape() as tape:
            terms = toy.loss(toy.x[rows], toy.y[rows], tf.constant(step, tf.int64))
        optimizer.apply(tape.gradient(terms.loss, variables), variables)
        losses.append([terms.loss, terms.nll, terms.kl])
    return np.array(losses)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_loop_is_a_hand_written_loop(make_job, step_indices, optimizer, jit_compile):
    job, hand = make_job(optimizer=optimizer(), jit_compile=jit_compile), make_job("hand")
    history = [job.steps(0, 4), job.steps(4, 3), job.steps(7, 2)]
    hand_optimizer = optimizer()
    expected = by_hand(hand.toy, hand_optimizer, step_indices, 9)
    for column, name in enumerate(("loss", "nll", "kl")):
        got = np.concatenate([getattr(h, name) for h in history])
        np.testing.assert_allclose(got, expected[:, column], rtol=2e-5)
    np.testing.assert_allclose(job.toy.weights, hand.toy.weights, rtol=2e-5)
    np.testing.assert_allclose(job.toy.average, hand.toy.average, rtol=2e-5)
    assert int(job.optimizer.iterations) == 9
    for got, right in zip(job.optimizer.variables, hand_optimizer.variables, strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_one_call_is_its_steps_one_by_one_bit_for_bit(make_job, same_bits, jit_compile):
    together, single = (make_job(jit_compile=jit_compile) for _ in range(2))
    history = together.steps(0, 4)
    ones = [single.steps(step, 1) for step in range(4)]
    for name in ("loss", "nll", "kl"):
        np.testing.assert_array_equal(
            getattr(history, name), np.concatenate([getattr(h, name) for h in ones])
        )
    for site, values in history.kl_by_site.items():
        np.testing.assert_array_equal(values, np.concatenate([h.kl_by_site[site] for h in ones]))
    same_bits(together.values, single.values)


def test_one_trace_serves_all_lengths_and_places(make_job):
    job = make_job()
    job.steps(0, 3)
    calls = job.toy.calls
    job.steps(3, 1)
    job.steps(4, 4)
    job.steps(1_000_000, 2)
    assert job.toy.calls == calls


def test_history_holds_the_steps_that_ran(make_job):
    job = make_job()
    for num_steps in (1, 2, 4):
        history = job.steps(0, num_steps)
        assert list(history.kl_by_site) == ["0_dense/kernel", "0_dense/bias"]
        for values in (*history[:3], *history.kl_by_site.values()):
            assert values.shape == (num_steps,)
            assert np.all(values[: len(values)] != 0) or num_steps == 1
    assert int(job.optimizer.iterations) == 7
    np.testing.assert_allclose(history.kl, sum(history.kl_by_site.values()), rtol=1e-6)


def test_batches_come_in_the_order_of_the_index_function(make_job, toy, step_indices):
    def loss(inputs, targets, step):
        terms = toy.loss(inputs, targets, step)
        shown = {f"row {j}": inputs[j, 0] for j in range(4)} | {"target": targets[0, 0]}
        return terms._replace(kl_by_site=shown)

    job = make_job(toy=toy, loss=loss)
    rows = [job.steps(first, count).kl_by_site for first, count in ((0, 2), (2, 4), (6, 3))]
    expected = step_indices(tf.range(9, dtype=tf.int64)).numpy()
    for j in range(4):
        got = np.concatenate([part[f"row {j}"] for part in rows])
        np.testing.assert_array_equal(got, toy.x[expected[:, j], 0])
    targets = np.concatenate([part["target"] for part in rows])
    np.testing.assert_array_equal(targets, toy.y[expected[:, 0], 0])
    for epoch in expected.reshape(3, 12):
        assert sorted(epoch) == list(range(12))


def test_batch_and_gradients_of_a_step_without_taking_it(make_job, step_indices):
    job = make_job()
    rows = step_indices(tf.constant(5, tf.int64)).numpy()
    inputs, targets = job.steps.batch(5)
    np.testing.assert_array_equal(inputs, job.toy.x[rows])
    np.testing.assert_array_equal(targets, job.toy.y[rows])
    before = job.toy.weights.numpy()
    terms, gradients = job.steps.gradients(5)
    np.testing.assert_array_equal(job.toy.weights, before)
    residual = job.toy.x[rows] @ before - job.toy.y[rows] + 0.1 * np.sin(13.0 * 5)
    expected = 2 * job.toy.x[rows].T @ residual / 4 + 2 * before / 12
    np.testing.assert_allclose(gradients[0], expected, rtol=1e-5)
    np.testing.assert_allclose(terms.nll, np.mean(residual**2), rtol=1e-5)


@pytest.mark.parametrize("num_steps", [0, 5, -1])
def test_unfit_number_of_steps(make_job, num_steps):
    with pytest.raises(
        ValueError, match=rf"num_steps must be from 1 to steps_per_call=4, got {num_steps}"
    ):
        make_job().steps(0, num_steps)


def test_unfit_steps_per_call(toy, step_indices):
    with pytest.raises(ValueError, match="steps_per_call must be at least 1, got 0"):
        TrainingSteps(
            toy.loss, step_indices, toy.x, toy.y, keras.optimizers.SGD(), [], steps_per_call=0
        )
