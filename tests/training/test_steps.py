import keras
import numpy as np
import pytest
import tensorflow as tf

from bnn.data import Batch, Batches
from bnn.noise import Noise
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
        losses.append([terms.loss, terms.metrics["nll"], terms.metrics["kl"]])
    return np.array(losses)


def column_of(history, name):
    return history.loss if name == "loss" else history.metrics[name]


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_loop_is_a_hand_written_loop(make_job, step_indices, optimizer, jit_compile):
    job, hand = make_job(optimizer=optimizer(), jit_compile=jit_compile), make_job("hand")
    history = [job.steps(0, 4), job.steps(4, 3), job.steps(7, 2)]
    hand_optimizer = optimizer()
    expected = by_hand(hand.toy, hand_optimizer, step_indices, 9)
    for column, name in enumerate(("loss", "nll", "kl")):
        got = np.concatenate([column_of(h, name) for h in history])
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
    for name in ("loss", *history.metrics):
        np.testing.assert_array_equal(
            column_of(history, name), np.concatenate([column_of(h, name) for h in ones])
        )
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
        assert list(history.metrics) == ["nll", "kl", "kl/0_dense/kernel", "kl/0_dense/bias"]
        for values in (history.loss, *history.metrics.values()):
            assert values.shape == (num_steps,)
            assert np.all(values[: len(values)] != 0) or num_steps == 1
    assert int(job.optimizer.iterations) == 7
    by_site = [v for name, v in history.metrics.items() if name.startswith("kl/")]
    np.testing.assert_allclose(history.metrics["kl"], sum(by_site), rtol=1e-6)


def test_batches_come_in_the_order_of_the_index_function(make_job, toy, step_indices):
    def loss(inputs, targets, step):
        terms = toy.loss(inputs, targets, step)
        shown = {f"row {j}": inputs[j, 0] for j in range(4)} | {"target": targets[0, 0]}
        return terms._replace(metrics=shown)

    job = make_job(toy=toy, loss=loss)
    rows = [job.steps(first, count).metrics for first, count in ((0, 2), (2, 4), (6, 3))]
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
    batch = job.steps.batches.at(5)
    np.testing.assert_array_equal(batch.inputs, job.toy.x[rows])
    np.testing.assert_array_equal(batch.targets, job.toy.y[rows])
    before = job.toy.weights.numpy()
    info, gradients = job.steps.gradients(5)
    np.testing.assert_array_equal(job.toy.weights, before)
    residual = job.toy.x[rows] @ before - job.toy.y[rows] + 0.1 * np.sin(13.0 * 5)
    expected = 2 * job.toy.x[rows].T @ residual / 4 + 2 * before / 12
    np.testing.assert_allclose(gradients[0], expected, rtol=1e-5)
    np.testing.assert_allclose(info.metrics["nll"], np.mean(residual**2), rtol=1e-5)


@pytest.mark.parametrize("num_steps", [0, 5, -1])
def test_unfit_number_of_steps(make_job, num_steps):
    with pytest.raises(
        ValueError, match=rf"num_steps must be from 1 to steps_per_call=4, got {num_steps}"
    ):
        make_job().steps(0, num_steps)


def test_unfit_steps_per_call(make_job):
    with pytest.raises(ValueError, match="steps_per_call must be at least 1, got 0"):
        make_job(steps_per_call=0)


class Stream(Batches):
    """Examples that are fetched step by step, and counted."""

    num_train, batch_size = 12, 4

    def __init__(self, toy, step_indices):
        self._toy, self._indices, self.taken = toy, step_indices, []

    def take(self, first_step, count):
        self.taken.append((first_step, count))
        rows = self._indices(tf.range(first_step, first_step + count, dtype=tf.int64)).numpy()
        return {"x": tf.constant(self._toy.x[rows]), "y": tf.constant(self._toy.y[rows])}

    def batch(self, row):
        return Batch(row["x"], row["y"])

    def full(self):
        yield Batch(self._toy.x, self._toy.y)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_streamed_batches_give_the_bits_of_resident_ones(
    make_job, same_bits, toy, step_indices, jit_compile
):
    resident, streamed = (make_job(jit_compile=jit_compile) for _ in range(2))
    stream = Stream(toy, step_indices)
    steps = TrainingSteps(
        streamed.steps.stepper, stream, 0, steps_per_call=4, jit_compile=jit_compile
    )
    for first, count in ((0, 4), (4, 1), (5, 3)):
        resident.steps(first, count)
        steps(first, count)
    same_bits(streamed.values, resident.values)
    assert stream.taken == [(0, 4), (4, 1), (5, 3)]  # nothing is fetched that no step reads
    assert streamed.toy.calls == 1  # one trace for all lengths


def test_a_reduction_sees_the_function_of_the_gradients(make_job):
    """What replicas and stacks do: the step is the update of what the reduction gives back."""
    job = make_job(optimizer=keras.optimizers.SGD(1.0))
    before = [v.numpy() for v in job.toy.trained.values()]
    batch, noise = job.steps.batches.at(0), Noise(0, tf.constant(0, tf.int64))
    _, gradients = job.steps.gradients(0)

    def doubled(function):
        def reduced(batch, noise):
            info, found = function(batch, noise)
            return info._replace(loss=2 * info.loss), [2 * g for g in found]

        return reduced

    info = job.steps.stepper.step(batch, noise, doubled)
    assert float(info.loss) > 0
    for variable, start, gradient in zip(job.toy.trained.values(), before, gradients, strict=True):
        np.testing.assert_allclose(variable, start - 2 * gradient.numpy(), rtol=1e-5)
