"""How many inputs are predicted at a time, where the caller does not say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras

Item = TypeVar("Item")

ROWS = 1000  # at most
_MOMENT_ROWS = 2500  # the same by moments, of which every block transforms all weights
_NUMBERS = 2**20  # outputs of one block; the mixture's work on them takes a hundred bytes for each
_UNITS = 2**24  # of one layer, of a block larger than `ROWS`: 64 MB


def rows_a_block(model: keras.Model, num_samples: int, most: int = ROWS) -> int:
    """Inputs of a block, for S outputs of each."""
    shape = getattr(model, "output_shape", None)
    known = isinstance(shape, tuple) and all(isinstance(n, int) for n in shape[1:])
    each = num_samples * (math.prod(shape[1:]) if known else 1)  # type: ignore[index]
    return max(1, min(most, _NUMBERS // max(1, each)))


def moment_rows(model: keras.Model, num_samples: int) -> int:
    """Inputs of a block by moments: more than of samples, where layers are small."""
    largest = max(math.prod(n or 1 for n in layer.output.shape[1:]) for layer in model.layers)
    return rows_a_block(model, num_samples, max(ROWS, min(_MOMENT_ROWS, _UNITS // largest)))


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items, each of which a thread makes while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
