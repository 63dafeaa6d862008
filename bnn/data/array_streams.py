"""A part of arrays in files, streamed: nothing but targets and row numbers in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnn.data import nests
from bnn.data.examples import ArrayExamples
from bnn.data.nests import Nest
from bnn.data.npy_files import NpyArray
from bnn.data.npy_rows import NpyRows

_CHUNK = 2**22  # values at a time


def file_stream(
    name: str, x: Nest, y: Nest, weights: Any, rows: np.ndarray, loc: Nest, scale: Nest
) -> ArrayExamples:
    """Returns the examples `rows` of the files x, standardised; y and weights in memory, by part.

    Args:
      name: of the set.
      x: nest of `NpyArray`.
      y: targets of these rows.
      weights: of these rows, or None.
      rows: which of the files' rows the examples are, int64 `[N]`.
      loc: nest of arrays, or None.
      scale: nest of arrays, or None.
    """
    inputs = nests.mapped(lambda array, a, b: _Chosen(_rows(array, a, b), rows), x, loc, scale)
    return ArrayExamples(name, inputs, y, weights)


def stream_scales(x: Nest, rows: np.ndarray, mode: str | None) -> tuple[Nest, Nest]:
    """Returns mean and standard deviation, as `bnn.data.scales` defines them, in two passes."""
    if mode is None:
        return None, None
    both = nests.mapped(lambda array: _fitted(array, rows, mode), x)
    return tuple(nests.mapped(lambda _, pair, i=i: pair[i], x, both) for i in (0, 1))


class _Chosen:
    """Some rows of a file in a row order of their own."""

    def __init__(self, values: NpyRows, rows: np.ndarray) -> None:
        self._values, self._rows = values, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        return self._values[self._rows[places]]


def _rows(array: NpyArray, loc: Any = None, scale: Any = None) -> NpyRows:
    if array.dtype == np.uint8:
        return NpyRows(array, np.float32, 255, loc, scale)
    if array.dtype.kind in "iu":
        return NpyRows(array, np.int32)
    return NpyRows(array, np.float32, None, loc, scale)


def _fitted(array: NpyArray, rows: np.ndarray, mode: str) -> tuple[Any, Any]:
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        return None, None
    pixels = array.dtype == np.uint8
    reader = _rows(array) if pixels else NpyRows(array, array.dtype)
    axes = 0 if mode == "columns" else None
    size = max(1, int(np.prod(array.shape[1:])))
    chunks = np.array_split(rows, max(1, len(rows) * size // _CHUNK))
    per_row = 1 if mode == "columns" else size
    total: Any = sum(reader[chunk].sum(axis=axes, dtype=np.float64) for chunk in chunks)
    loc = total / (len(rows) * per_row)
    squares: Any = 0.0
    low: Any = np.inf
    high: Any = -np.inf
    for chunk in chunks:
        values = reader[chunk]
        squares = squares + np.square(values - loc, dtype=np.float64).sum(axis=axes)
        low = np.minimum(low, values.min(axis=axes))
        high = np.maximum(high, values.max(axis=axes))
    scale = np.where(low == high, 1.0, np.sqrt(squares / (len(rows) * per_row)))
    return np.where(low == high, low, loc).astype(np.float64), scale
