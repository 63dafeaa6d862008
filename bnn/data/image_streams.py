"""Image files that are read when they are needed, and what their pixels are standardised by."""

from __future__ import annotations

import concurrent.futures
import os
from pathlib import Path

import numpy as np

from bnn.data import memory, scales
from bnn.data.examples import Example, ExampleError, Examples
from bnn.data.image_files import read_image

_AHEAD = 256  # files whose decoding is asked for at a time
Shape = tuple[int, int, int]


class ImageFiles(Examples):
    """Image files as examples, read when asked for: float32 in [0, 1] and an int32 label.

    Args:
      name: of the set.
      paths: of the files.
      labels: int32 `[N]`.
      shape: `(height, width, channels)`.
      loc, scale: float64 `[]`; the pixels become `(pixel − loc) / scale`. None: they stay.
    """

    def __init__(
        self,
        name: str,
        paths: list[Path],
        labels: np.ndarray,
        shape: Shape,
        loc: np.ndarray | None = None,
        scale: np.ndarray | None = None,
    ) -> None:
        super().__init__(name)
        self._paths, self._labels, self._shape = paths, labels, shape
        self._loc, self._scale = loc, scale

    def __len__(self) -> int:
        return len(self._paths)

    def take(self, rows: np.ndarray) -> Example:
        """Returns these images and their labels."""
        images = np.empty((len(rows), *self._shape), np.uint8)
        for place, row in enumerate(rows):
            images[place] = _read(self.name, int(row), self._paths[row], self._shape)
        pixels = memory.filled(images, divisor=255)
        return Example(
            scales.standardize_in_place(pixels, self._loc, self._scale), self._labels[rows]
        )

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Returns the labels of these images; the files are not read."""
        return self._labels[rows]


def pixel_scales(name: str, paths: list[Path], shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of all pixels of the files, float64 `[]`, in one pass.

    Bytes are counted, cₖ of k = 0 … 255, as integers and so without rounding: with vₖ = k / 255,
    loc = Σₖ cₖ vₖ / Σₖ cₖ and scale² = Σₖ cₖ (vₖ − loc)² / Σₖ cₖ; scale 1 if constant.

    Args:
      name: of the set, for errors.
      paths: of the files; at least one.
      shape: `(height, width, channels)`, as they are read.

    Raises:
      ExampleError: a file that cannot be decoded.
    """

    def count(row: int) -> np.ndarray:
        return np.bincount(_read(name, row, paths[row], shape).reshape(-1), minlength=256)

    counts = np.zeros(256, np.int64)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding frees the lock
        for first in range(0, len(paths), _AHEAD):
            for found in pool.map(count, range(first, min(first + _AHEAD, len(paths)))):
                counts += found
    values = (np.arange(256, dtype=np.float32) / np.float32(255)).astype(np.float64)
    shares = counts / counts.sum()
    loc = np.asarray(shares @ values)
    scale = np.sqrt(shares @ np.square(values - loc))
    return loc, np.asarray(1.0 if np.count_nonzero(counts) == 1 else scale)


def _read(name: str, row: int, path: Path, shape: Shape) -> np.ndarray:
    try:
        return read_image(path, shape)
    except ValueError as error:
        raise ExampleError(f"{name}: row {row}: {error}") from error
