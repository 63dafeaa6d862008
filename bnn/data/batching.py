"""Data order as a pure function of the step, for data that lives on the device."""

import math

import numpy as np
import tensorflow as tf

from bnn.data import arguments

# Why not `tf.random.experimental.index_shuffle`: of each seed word it uses the lowest eight bits,
# so epoch 256 repeats epoch 0 and seed 256 repeats seed 0; for 60,000 examples the orders of two
# epochs are correlated at 0.9 (four rounds of its cipher are too few); it refuses a seed per
# index; and it has no XLA kernel. The tests of this module hold it to the contrary of each.
_ROUNDS = 8
_GOLDEN = 0x9E3779B9
_WORD = 0xFFFFFFFF


def batch_indices(
    step: int | tf.Tensor, *, batch_size: int, num_train: int, seed: int | tf.Tensor
) -> tf.Tensor:
    """Returns which training examples the batch of `step` holds: int32, `[batch_size]`.

    A vector of steps, `[steps]`, gives `[steps, batch_size]`. The batches cut one endless stream
    of epochs into pieces: position `p = step * batch_size + j` lies in epoch `e = p // num_train`
    and shows example `permutation(seed, e)[p mod num_train]`. So every epoch shows every example
    exactly once, whatever the batch size, a batch may span the end of an epoch, and a run resumed
    at any step continues exactly. It is integer arithmetic alone and gives the same numbers in
    eager, in `tf.function` and under `jit_compile=True`.

    Args:
      step: integer or integer tensor, scalar or `[steps]`, at least 0.
      batch_size: examples a step, in [1, num_train].
      num_train: training examples, in [1, 2**31).
      seed: integer or scalar integer tensor; all its 64 bits count.

    Raises:
      ValueError: an argument outside these bounds (steps in tensors are not checked).
    """
    arguments.check_integer(
        "num_train", num_train, 1, 2**31, "a data set without a training part gives no batches"
    )
    arguments.check_integer(
        "batch_size", batch_size, 1, num_train + 1, "use at most the whole training part a step"
    )
    steps, seeds = _int64("step", step), _int64("seed", seed)
    if steps.shape.rank not in (0, 1) or seeds.shape.rank != 0:
        raise ValueError(
            f"step must be a scalar or of shape [steps], and seed a scalar, got shapes "
            f"{steps.shape} and {seeds.shape}; flatten the steps and reshape the result."
        )
    known = tf.get_static_value(steps)
    if known is not None and (known < 0).any():
        raise ValueError(f"step must be at least 0, got {known.min()}; count steps from 0.")
    position = steps[..., tf.newaxis] * batch_size + tf.range(batch_size, dtype=tf.int64)
    key = _key(seeds, position // num_train)
    return tf.cast(_permute(tf.cast(position % num_train, tf.uint32), key, num_train), tf.int32)


def _permute(index: tf.Tensor, key: tf.Tensor, size: int) -> tf.Tensor:
    """Maps index to its place in the permutation of `range(size)` that key names, elementwise.

    An alternating Feistel network on pairs (left, right) with left < rows and right < columns is
    a permutation of `range(rows * columns)`; what lands outside `range(size)` is sent through it
    again until it is inside (cycle walking), which leaves a permutation of `range(size)`.
    """
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    limit, height, width = (tf.constant(n, tf.uint32) for n in (size, rows, columns))

    def network(value: tf.Tensor) -> tf.Tensor:
        left, right = value // width, value % width
        for number in range(_ROUNDS):
            round_key = key + tf.constant(number * _GOLDEN & _WORD, tf.uint32)
            if number % 2 == 0:
                left = (left + _mix(tf.bitwise.bitwise_xor(right, round_key)) % height) % height
            else:
                right = (right + _mix(tf.bitwise.bitwise_xor(left, round_key)) % width) % width
        return left * width + right

    return tf.while_loop(
        lambda value: tf.reduce_any(value >= limit),
        lambda value: (tf.where(value >= limit, network(value), value),),
        (network(index),),
    )[0]


def _key(seed: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
    """Mixes seed, int64 `[]`, and epoch, int64, into one uint32 key an epoch.

    Every fold is one to one in the word it takes, so two epochs of one seed never share a key.
    """
    high = tf.bitwise.right_shift(seed, tf.constant(32, tf.int64))
    key = tf.zeros([], tf.uint32)
    for data in (seed, high, epoch):
        word = tf.cast(tf.bitwise.bitwise_and(data, tf.constant(_WORD, tf.int64)), tf.uint32)
        key = _mix(tf.bitwise.bitwise_xor(key + tf.constant(_GOLDEN, tf.uint32), word))
    return key


def _mix(x: tf.Tensor) -> tf.Tensor:
    """The 32-bit finalizer of MurmurHash3 (Appleby): one to one, every bit moves every other."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        high = tf.bitwise.right_shift(x, tf.constant(shift, tf.uint32))
        x = tf.bitwise.bitwise_xor(x, high) * tf.constant(factor, tf.uint32)
    return x


def _int64(argument: str, value: int | tf.Tensor) -> tf.Tensor:
    tensor = tf.convert_to_tensor(np.asarray(value) if isinstance(value, int) else value)
    if not tensor.dtype.is_integer:
        raise ValueError(
            f"{argument} must be an integer or an integer tensor, got {tensor.dtype.name}; cast it "
            f"with tf.cast({argument}, tf.int64)."
        )
    return tf.cast(tensor, tf.int64)
