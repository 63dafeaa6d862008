"""The generator: Threefry-2x32 with 20 rounds, and what it makes of a key and a counter.

Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011; a keyed
bijection of 64-bit counters. The paper recommends 20 rounds: the fewest with which it found no
failure in TestU01's BigCrush, and a margin.

Only 32-bit additions, rotations and exclusive-ors are used, so the bits are the same in eager mode,
in graphs and under XLA, where the whole generator fuses with whatever consumes the numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA
_ROUNDS = 20


def _is_numpy(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic))


def _rotate(x: Any, places: int) -> Any:
    if _is_numpy(x):
        return (x << np.uint32(places)) | (x >> np.uint32(32 - places))
    # A product and a sum for a shift and an or, which LiteRT has not: the same bits.
    left = x * tf.constant(1 << places, tf.uint32)
    return left + tf.bitwise.right_shift(x, tf.constant(32 - places, tf.uint32))


def _xor(x: Any, y: Any) -> Any:
    if _is_numpy(x) and _is_numpy(y):
        return x ^ y
    return tf.bitwise.bitwise_xor(x, y)


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Encrypts a counter: Threefry-2x32, 20 rounds (Salmon et al. 2011, section 3.4).

    Args:
      key: two uint32 arrays or tensors, of shapes that broadcast with the counter's.
      counter: two uint32 arrays or tensors.

    Returns:
      Two uint32 words of the broadcast shape. NumPy arrays stay NumPy arrays.
    """
    schedule = (key[0], key[1], _xor(_xor(key[0], key[1]), np.array(_PARITY, np.uint32)))
    with np.errstate(over="ignore"):  # additions are modulo 2³² by design
        x0, x1 = counter[0] + key[0], counter[1] + key[1]
        for i in range(_ROUNDS):
            x0 = x0 + x1
            x1 = _xor(_rotate(x1, _ROTATIONS[i % 8]), x0)
            if i % 4 == 3:
                j = i // 4 + 1
                x0 = x0 + schedule[j % 3]
                x1 = x1 + schedule[(j + 1) % 3] + np.array(j, np.uint32)
    return x0, x1


def words(key: tuple[Any, Any], first: Any, count: Any, sample: Any) -> tf.Tensor:
    """First words of threefry(key; element, sample) for `count` elements from `first` on.

    Args:
      key: two uint32 scalars.
      first: number of the first element; uint32, or uint64 where the elements may pass 2³², whose
        higher half then enters the other word of the counter.
      count: int or int32 tensor.
      sample: uint32 scalar.
    """
    element = tf.bitcast(tf.range(count, dtype=tf.int32), tf.uint32)
    if first.dtype == tf.uint32:
        return threefry(key, (first + element, sample))[0]
    low, high = halves(first)
    sum_of_lows = low + element
    carry = tf.cast(sum_of_lows < low, tf.uint32)
    return threefry(key, (sum_of_lows, fold(sample, high + carry)))[0]


def halves(value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The lower and the higher 32 bits of an integer tensor, sign-extended to 64."""
    if value.dtype.size < 8:  # without 64 bits, which LiteRT cannot shift
        if value.dtype.is_unsigned:
            return tf.cast(value, tf.uint32), tf.zeros(tf.shape(value), tf.uint32)
        value = tf.cast(value, tf.int32)
        sign = tf.bitwise.right_shift(value, tf.constant(31))  # −1 or 0
        return tf.bitcast(value, tf.uint32), tf.bitcast(sign, tf.uint32)
    wide = tf.bitcast(value, tf.uint64)
    high = tf.bitwise.right_shift(wide, tf.constant(32, tf.uint64))
    return tf.cast(wide, tf.uint32), tf.cast(high, tf.uint32)


def fold(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """One word of two: the lower one itself where the higher is 0, another one elsewhere.

    The higher word passes MurmurHash3's finaliser (Appleby 2011), a bijection that keeps 0: by a
    linear map, such as a product, −1 and 2³² + 1 would be one word.
    """
    for places, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        high = _xor(high, tf.bitwise.right_shift(high, tf.constant(places, tf.uint32)))
        high = high * np.array(factor, np.uint32)
    return _xor(low, _xor(high, tf.bitwise.right_shift(high, tf.constant(16, tf.uint32))))
