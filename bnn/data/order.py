"""The data order of `bnn.data.batching` in NumPy: the same numbers, in any thread or process."""

import math

import numpy as np

_ROUNDS = 8
_GOLDEN = np.uint32(0x9E3779B9)


def batch_rows(
    steps: int | np.ndarray, *, batch_size: int, num_train: int, seed: int
) -> np.ndarray:
    """Returns which training examples the batch of a step holds, int64 `[batch_size]`.

    Steps `[T]` give `[T, batch_size]`.

    What `batch_indices` gives, bit for bit: see there. So a run that streams its data sees the
    examples in the order of one whose data are resident.
    """
    steps = np.asarray(steps, np.int64)[..., np.newaxis]
    position = steps * batch_size + np.arange(batch_size, dtype=np.int64)
    key = _key(seed, position // num_train)
    return _permute((position % num_train).astype(np.uint32), key, num_train).astype(np.int64)


def _permute(index: np.ndarray, key: np.ndarray, size: int) -> np.ndarray:
    rows = math.isqrt(size - 1) + 1
    height, width = np.uint32(rows), np.uint32(-(-size // rows))
    value = _network(index, key, height, width)
    while (outside := value >= size).any():
        value[outside] = _network(value[outside], key[outside], height, width)
    return value


def _network(value: np.ndarray, key: np.ndarray, height: np.uint32, width: np.uint32) -> np.ndarray:
    left, right = value // width, value % width
    for number in range(_ROUNDS):
        round_key = key + np.uint32(number * int(_GOLDEN) & 0xFFFFFFFF)
        if number % 2 == 0:
            left = np.asarray((left + _mix(right ^ round_key) % height) % height, np.uint32)
        else:
            right = np.asarray((right + _mix(left ^ round_key) % width) % width, np.uint32)
    return left * width + right


def _key(seed: int, epoch: np.ndarray) -> np.ndarray:
    words = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF, epoch & 0xFFFFFFFF)
    key = np.zeros(epoch.shape, np.uint32)
    for word in words:
        key = _mix((key + _GOLDEN) ^ np.asarray(word).astype(np.uint32))
    return key


def _mix(x: np.ndarray) -> np.ndarray:
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x
