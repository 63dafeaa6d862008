"""Rows of a `.npy` file, read when asked for: data larger than memory."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from bnn.data import memory, scales
from bnn.data.checks import to_int32
from bnn.data.npy_files import NpyArray


class NpyRows:
    """Reads `[N, ...]` row by row: `rows[indices]`, as a model takes them.

    Plain reads rather than a memory map: what was read does not stay in the process's memory, and
    a file that became shorter gives an error, not a signal. Goes to worker processes as its path.

    Args:
      array: of a `.npy` file (members of an archive cannot be read at random).
      dtype: float32, int32, or the file's own.
      divisor: in float32, first.
      loc, scale: `(row − loc) / scale`, after that.
    """

    def __init__(
        self,
        array: NpyArray,
        dtype: Any = np.float32,
        divisor: float | None = None,
        loc: np.ndarray | None = None,
        scale: np.ndarray | None = None,
    ) -> None:
        if array.member is not None:
            raise ValueError(
                f"{array.path}: to stream, arrays must be .npy files in a folder, got an .npz "
                f"archive, which cannot be read at random; save each with np.save."
            )
        self.array, self.divisor, self.loc, self.scale = array, divisor, loc, scale
        self.dtype = np.dtype(dtype)
        self.shape = array.shape
        self._row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
        self._file: int | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Returns these rows, `[n, ...]`; ValueError where the file is too short for one."""
        raw = np.empty((len(rows), *self.shape[1:]), self.array.dtype)
        if self._file is None:
            self._file = os.open(self.array.path, os.O_RDONLY)
        size = self._row_bytes if raw.size else 0
        into = raw.reshape(-1).view(np.uint8).data if size else memoryview(b"")
        starts = (self.array.offset + np.asarray(rows, np.int64) * size).tolist() if size else []
        for place, start in enumerate(starts):
            if os.preadv(self._file, [into[place * size : (place + 1) * size]], start) != size:
                raise ValueError(
                    f"{self.array.path}: row {int(rows[place])} cannot be read, the file is "
                    f"shorter than its header says ({len(self)} rows); write it again."
                )
        if self.dtype == raw.dtype and self.divisor is None and self.loc is None:
            return raw
        if self.divisor is not None:
            raw = memory.filled(raw, divisor=self.divisor)
        if self.loc is not None:
            return scales.standardize(raw, self.loc, self.scale)
        if self.dtype == np.int32 and raw.dtype.kind in "iu":
            return to_int32(str(self.array.path), "an array of inputs", raw)
        return raw.astype(self.dtype, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            os.close(self._file)  # type: ignore[arg-type]
