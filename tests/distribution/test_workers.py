import numpy as np
import pytest
import tensorflow as tf

from bnn.training import WorkerFailedError, Workers
from bnn.training.workers import _array, _words


def test_a_process_of_its_own_agrees_with_itself():
    workers = Workers()
    assert workers.is_chief
    assert workers.sum([3, 4]) == workers.from_chief([3, 4]) == [3, 4]
    variable = tf.Variable([1.0, -0.0])
    workers.broadcast([variable])
    assert np.signbit(variable.numpy()[1])


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, -0.0, np.nan, np.inf, 1e-45], np.float32),
        np.array([[1.0, -2.0]], np.float64),
        np.array(-7, np.int64),
        np.array([2**32 - 1, 5], np.uint32),
        np.array([True, False]),
        np.array([0.5, -3.0], np.float16),
    ],
    ids=lambda array: array.dtype.name,
)
def test_values_travel_to_the_bit(array):
    sent = _words(array) + np.zeros_like(_words(array))  # what a sum over the workers does
    received = _array(sent.astype(np.int32), array)
    assert received.dtype == array.dtype
    assert received.shape == array.shape
    assert received.tobytes() == array.tobytes()


class Group(Workers):
    """Worker 0 of three, without the others."""

    def __init__(self, count=3):
        super().__init__(None, 0, [f"host{i}:70{i}" for i in range(count)])
        self._strategy = object()


def test_the_error_names_the_worker_that_failed():
    error = tf.errors.UnavailableError(None, None, "from /job:worker/replica:0/task:2: closed")
    message = r"worker 2 \(host2:702\) of 3 has ended .* seen by worker 0; .* last checkpoint"
    with pytest.raises(WorkerFailedError, match=message), Group().named_failures():
        raise error


def test_of_two_workers_the_other_one_has_failed():
    with (
        pytest.raises(WorkerFailedError, match=r"worker 1 \(host1:701\) of 2 has ended"),
        Group(2).named_failures(),
    ):
        raise tf.errors.AbortedError(None, None, "Connection reset by peer")


def test_a_process_of_its_own_keeps_its_errors():
    with pytest.raises(tf.errors.CancelledError), Workers().named_failures():
        raise tf.errors.CancelledError(None, None, "of its own")
