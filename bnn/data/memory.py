"""Large arrays without copies: filled block by block, aligned so that a device takes them as is."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

# Bytes that TensorFlow wants the first element at a multiple of, to share memory with NumPy.
_ALIGNMENT = 64
# Values a block: 8 MB of float64 in flight.
_BLOCK = 2**20
# The memory behind arrays of `empty`, while it lives: that of others may be written to later.
_ROOMS: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()


def empty(shape: tuple[int, ...], dtype: type | np.dtype = np.float32) -> np.ndarray:
    """Returns an array like `np.empty`, whose first element lies at a multiple of 64 bytes."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + _ALIGNMENT, np.uint8)
    _ROOMS[id(room)] = room
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def blocks(values: np.ndarray) -> Iterator[slice]:
    """Yields slices of the first axis that hold about 2²⁰ values each."""
    rows = max(1, _BLOCK // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        yield slice(start, min(start + rows, len(values)))


def filled(
    values: np.ndarray, rows: np.ndarray | None = None, divisor: float | None = None
) -> np.ndarray:
    """Returns `values[rows] / divisor` as float32, in one new array; `values` itself if it can.

    Args:
      values: numbers `[N, ...]`, of any type; may be memory-mapped.
      rows: int64, which to take; None: all.
      divisor: in float32; None: 1.
    """
    if rows is None and divisor is None and values.dtype == np.float32:
        return values
    count = len(values) if rows is None else len(rows)
    out = empty((count, *values.shape[1:]))
    with np.errstate(over="ignore"):  # an overflow becomes inf, which Dataset reports by row
        for part in blocks(out):
            out[part] = values[part] if rows is None else values[rows[part]]
            if divisor is not None:
                out[part] /= np.float32(divisor)
    return out


def to_tensor(array: np.ndarray) -> tf.Tensor:
    """Returns the array as a tensor on the device, on CPUs without a copy where it is ours.

    Arrays of `empty` share their memory with the tensor: they must not be written to afterwards.
    All others are copied.
    """
    if not _is_ours(array) or tf.config.list_logical_devices("GPU"):
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def _is_ours(array: np.ndarray) -> bool:
    return (
        type(array) is np.ndarray
        and _ROOMS.get(id(array.base)) is array.base
        and array.base is not None
        and array.flags.c_contiguous
        and array.flags.writeable
        and array.ctypes.data % _ALIGNMENT == 0
        and array.size > 0
    )
