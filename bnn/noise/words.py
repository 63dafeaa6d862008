"""Coordinates as the generator's words of 32 bits, each within its limits."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.noise.generator import fold, halves

# What is not a tensor and tells streams apart by so many values; beyond them it is refused.
_LIMITS = {
    "step": 2**63,
    "sample": 2**32,
    "replica": 2**32,
    "example_offset": 2**32,
    "site": 2**16,
    "purpose": 2**8,
    "part": 2**4,
    "stream": 2**4,
}


def word(value: Any, name: str) -> Any:
    """One coordinate as a uint32: a NumPy scalar array where it is known, else a tensor."""
    value = _integer(value, name)
    if not tf.is_tensor(value):
        return np.array(value, np.uint32)
    if name not in ("sample", "replica", "example_offset"):
        raise ValueError(f"{name} must be an int, got a tensor; it is fixed when a step is traced.")
    return fold(*halves(value))


def step_words(value: Any) -> tuple[Any, Any]:
    """The two words of a step: known, or tensors; a vector's are vectors."""
    value = _integer(value, "step")
    if tf.is_tensor(value):
        return halves(value)
    return np.array(value % 2**32, np.uint32), np.array(value // 2**32, np.uint32)


def _integer(value: Any, name: str) -> Any:
    """An int within its limits, or an integer tensor."""
    if not tf.is_tensor(value):
        try:
            value = operator.index(value)
        except TypeError:
            value = tf.convert_to_tensor(value)
    if not tf.is_tensor(value):
        limit = _LIMITS[name]
        if not 0 <= value < limit:
            raise ValueError(
                f"{name} must be an integer from 0 to {limit - 1}, got {value}; noise streams "
                f"are told apart by {limit.bit_length() - 1} bits of {name}."
            )
    elif not value.dtype.is_integer:
        raise ValueError(
            f"{name} must be an integer or an integer tensor, got a tensor of {value.dtype.name}; "
            f"cast it with tf.cast({name}, tf.int64)."
        )
    return value


def seed_words(seed: Any) -> tuple[Any, Any]:
    """The two words of a seed; ValueError for what is no integer of 64 bits."""
    if not tf.is_tensor(seed):
        try:
            seed = operator.index(seed)
        except TypeError:
            raise ValueError(
                f"seed must be an int or an integer tensor, got {seed!r}; pass for example seed=0."
            ) from None
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"seed must fit into 64 bits, got {seed}; take it modulo 2**64.")
        seed %= 2**64
        return np.array(seed % 2**32, np.uint32), np.array(seed // 2**32, np.uint32)
    if not seed.dtype.is_integer or seed.shape.rank not in (0, None):
        raise ValueError(
            "seed must be an int or a scalar integer tensor, got a tensor of "
            f"{seed.dtype.name} with shape {seed.shape}; pass for example tf.constant(0)."
        )
    return halves(seed)
