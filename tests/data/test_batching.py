import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from bnn.data import batch_indices


def _epochs(num_train: int, epochs: int, seed: int = 0, start: int = 0) -> np.ndarray:
    """The orders of whole epochs, `[epochs, num_train]`."""
    steps = tf.range(start, start + epochs)
    return batch_indices(steps, batch_size=num_train, num_train=num_train, seed=seed).numpy()


@pytest.mark.parametrize("num_train", [1, 2, 3, 4, 5, 7, 8, 9, 10, 16, 17, 97, 100, 1437, 4096])
def test_every_epoch_shows_every_example_once(num_train: int):
    for order in _epochs(num_train, 3):
        np.testing.assert_array_equal(np.sort(order), np.arange(num_train))


@pytest.mark.parametrize(
    ("num_train", "batch_size"), [(10, 3), (10, 7), (64, 64), (1437, 128), (277, 1), (12, 11)]
)
def test_batches_cut_one_stream_of_epochs(num_train: int, batch_size: int):
    epochs = _epochs(num_train, batch_size).ravel()
    batches = batch_indices(
        tf.range(num_train), batch_size=batch_size, num_train=num_train, seed=0
    ).numpy()
    assert batches.shape == (num_train, batch_size)
    np.testing.assert_array_equal(batches.ravel(), epochs)


def test_a_restart_continues_exactly():
    def batches(steps: range) -> list:
        return [
            batch_indices(step, batch_size=32, num_train=1000, seed=9).numpy().tolist()
            for step in steps
        ]

    assert batches(range(80))[50:] == batches(range(50, 80))


def test_eager_graph_and_xla_agree():
    def order(steps: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return batch_indices(steps, batch_size=50, num_train=1438, seed=seed)

    steps, seed = tf.range(60), tf.constant(3)
    eager = order(steps, seed).numpy()
    np.testing.assert_array_equal(tf.function(order)(steps, seed), eager)
    np.testing.assert_array_equal(tf.function(order, jit_compile=True)(steps, seed), eager)
    np.testing.assert_array_equal(order(tf.constant(7, tf.int64), seed), eager[7])
    np.testing.assert_array_equal(order(tf.Variable(7), tf.constant(3, tf.int64)), eager[7])
    np.testing.assert_array_equal(
        batch_indices(np.int64(7), batch_size=50, num_train=1438, seed=3), eager[7]
    )


def test_shapes_and_type():
    indices = batch_indices(5, batch_size=4, num_train=10, seed=0)
    assert indices.shape == (4,)
    assert indices.dtype == tf.int32
    indices = batch_indices(tf.constant([5, 6]), batch_size=4, num_train=10, seed=0)
    assert indices.shape == (2, 4)


def test_the_order_never_changes():
    # Published results and resumed runs depend on it.
    first = batch_indices(0, batch_size=10, num_train=60_000, seed=0).numpy().tolist()
    assert first == [5252, 28912, 40508, 7542, 13428, 45428, 23530, 51732, 7636, 59125]


def test_far_steps_do_not_overflow():
    step = 2**40
    indices = batch_indices(step, batch_size=1000, num_train=60_000, seed=0).numpy()
    assert (indices >= 0).all()
    assert (indices < 60_000).all()
    assert len(set(indices.tolist())) == 1000


def test_epochs_and_seeds_at_any_distance_differ():
    # Counters that use only some bits of their words repeat at a power of two.
    num_train = 200
    first = _epochs(num_train, 1)[0]
    for power in range(1, 31):
        assert not np.array_equal(first, _epochs(num_train, 1, start=2**power)[0])
    for seed in [2**power for power in range(63)] + [-1, -(2**63)]:
        assert not np.array_equal(first, _epochs(num_train, 1, seed=seed)[0])
    assert len({tuple(order) for order in _epochs(num_train, 2000)}) == 2000


@pytest.mark.parametrize("num_train", [455, 1024, 8611, 60_000])
def test_epochs_are_uncorrelated(num_train: int):
    orders = _epochs(num_train, 16).astype(float)
    others = _epochs(num_train, 16, seed=1).astype(float)
    identity = np.arange(num_train)
    z = [
        np.corrcoef(first, second)[0, 1] * math.sqrt(num_train)
        for first, second in itertools.chain(
            itertools.combinations(orders, 2),
            zip(orders, others, strict=True),
            ((order, identity) for order in orders),
            ((order[1:], order[:-1]) for order in orders),
        )
    ]
    # 168 normal deviates for each of 4 sizes; 672 two-sided tests at 6 sigma: 1.3e-6 false alarms.
    assert np.abs(z).max() < 6
    assert abs(np.mean(np.square(z)) - 1) < 5 * math.sqrt(2 / len(z))


@pytest.mark.parametrize("num_train", [1000, 60_000])
def test_batches_are_simple_random_samples(num_train: int):
    # The mean index of a batch of b out of n, drawn without replacement, has the variance
    # (n² - 1) / 12 / b · (n - b) / (n - 1); too even a spread is as wrong as too uneven a one.
    size, epochs = 50, 20
    means = _epochs(num_train, epochs).reshape(-1, size).mean(axis=1)
    variance = (num_train**2 - 1) / 12 / size * (num_train - size) / (num_train - 1)
    ratio = np.square(means - (num_train - 1) / 2).mean() / variance
    # 5 sigma: false alarm 6e-7.
    assert abs(ratio - 1) < 5 * math.sqrt(2 / len(means))


def test_every_example_takes_every_place_equally_often():
    num_train, epochs = 32, 4000
    orders = _epochs(num_train, epochs)
    counts = np.stack([np.bincount(column, minlength=num_train) for column in orders.T])
    chi_square = np.square(counts - epochs / num_train).sum() / (epochs / num_train)
    freedom = (num_train - 1) ** 2
    # Chi-square with (n - 1)² degrees of freedom, normal approximation; 5 sigma: 6e-7.
    assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_train": 0}, r"num_train must be an integer in \[1, 2147483648\), got 0; a data set"),
        ({"num_train": 2**31}, "got 2147483648"),
        ({"batch_size": 0}, r"batch_size must be an integer in \[1, 11\), got 0; use at most"),
        ({"batch_size": 11}, "got 11; use at most the whole training part a step"),
        ({"batch_size": 2.0}, "got 2.0"),
        ({"step": -1}, "step must be at least 0, got -1; count steps from 0"),
        ({"step": [3, -2]}, "got -2"),
        ({"step": 1.0}, r"step must be an integer or an integer tensor, got float32; cast it with"),
        ({"step": True}, "step must be an integer .* got bool"),
        ({"step": tf.zeros([2, 2], tf.int32)}, r"must be a scalar or of shape .*\(2, 2\)"),
        ({"seed": 0.5}, "seed must be an integer or an integer tensor, got float32"),
        ({"seed": [0, 1]}, r"seed a scalar, got shapes \(\) and \(2,\)"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict, message: str):
    given = {"step": 0, "batch_size": 5, "num_train": 10, "seed": 0}
    with pytest.raises(ValueError, match=message):
        batch_indices(**{**given, **arguments})
