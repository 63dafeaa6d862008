"""Arrays in `.npy` files and `.npz` archives, read row by row and never whole."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

_BLOCK = 2**22  # bytes


@dataclasses.dataclass(frozen=True)
class NpyArray:
    """An array that lies in a file; only its header has been read.

    Attributes:
      path: of the `.npy` file or the `.npz` archive.
      member: of the archive; None for a file.
      shape, dtype: of the array.
      offset: of the first value in a file or member.
    """

    path: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, convert: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
        """Returns the whole array, in its own type, or as `convert` makes it, block by block."""
        [out] = self.take([np.arange(len(self))], convert)
        return out

    def take(
        self,
        parts: list[np.ndarray],
        convert: Callable[[np.ndarray], np.ndarray] | None = None,
        allocate: Callable[[tuple[int, ...], np.dtype], np.ndarray] = np.empty,
    ) -> list[np.ndarray]:
        """Returns an array for each of several lists of ascending rows, in one pass over the file.

        Args:
          parts: rows, ascending.
          convert: a block `[n, ...]` to a block of the wanted type and the same shape.
          allocate: makes an array of a shape and a type.

        Raises:
          ValueError: the file is shorter than its header says.
        """
        convert = convert or (lambda block: block)
        dtype = convert(np.zeros((0, *self.shape[1:]), self.dtype)).dtype
        outs = [allocate((len(rows), *self.shape[1:]), dtype) for rows in parts]
        for start, block in self._blocks():
            converted = convert(block)
            for rows, out in zip(parts, outs, strict=True):
                first, last = np.searchsorted(rows, (start, start + len(block)))
                out[first:last] = converted[rows[first:last] - start]
        return outs

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        row_bytes = max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)
        rows = max(1, _BLOCK // row_bytes)
        with _opened(self.path, self.member) as stream:
            stream.read(self.offset)
            for start in range(0, len(self), rows):
                count = min(rows, len(self) - start)
                content = stream.read(count * row_bytes)
                if len(content) < count * row_bytes and 0 not in self.shape:
                    raise ValueError(
                        f"{_label(self.path, self.member)}: truncated: the header says "
                        f"{self.shape} values of {self.dtype}, the file ends in row "
                        f"{start + len(content) // row_bytes}; write it again."
                    )
                block = np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])
                yield start, block


def npy_arrays(path: str | os.PathLike[str]) -> dict[str, NpyArray]:
    """Returns the arrays of a `.npz` archive, or of a folder of `.npy` files, by name.

    In a folder, `x_train/image.npy` has the name `x_train/image`.

    Raises:
      FileNotFoundError: no such file or folder.
      ValueError: another kind of file, pickled objects, Fortran order, or a damaged header.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        files = sorted(path.rglob("*.npy"))
        named = {file.relative_to(path).with_suffix("").as_posix(): file for file in files}
        found = {name: _header(file, None) for name, file in named.items()}
    elif not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such .npz file or folder of .npy files; correct the path."
        )
    elif not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path}: must be a .npz archive, as np.savez writes it, or a folder of .npy files, "
            f"got another kind of file; convert it."
        )
    else:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
        found = {name.removesuffix(".npy"): _header(path, name) for name in members}
    if not found:
        raise ValueError(f"{path}: must hold arrays in .npy files, got none; correct the path.")
    return found


def _header(path: Path, member: str | None) -> NpyArray:
    label = _label(path, member)
    with _opened(path, member) as stream:
        try:
            version = np.lib.format.read_magic(cast(Any, stream))
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read(cast(Any, stream))
            offset = stream.tell()
        except ValueError as error:
            raise ValueError(f"{label}: damaged header ({error}); write it again.") from error
    if dtype.hasobject:
        raise ValueError(
            f"{label}: must hold numbers, got pickled objects, which are not read because they can "
            f"run code; save arrays of numbers."
        )
    if not shape or (fortran and len(shape) > 1):
        raise ValueError(
            f"{label}: must hold an array [N, ...] in C order, got shape {shape}"
            f"{' in Fortran order' if fortran else ''}; save np.ascontiguousarray(array)."
        )
    return NpyArray(path, member, shape, dtype, offset)


@contextlib.contextmanager
def _opened(path: Path, member: str | None) -> Iterator[BinaryIO]:
    if member is None:
        with path.open("rb") as stream:
            yield stream
        return
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
            yield cast(BinaryIO, packed)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(
            f"{_label(path, member)}: damaged ({error}); write the file again."
        ) from error


def _label(path: Path, member: str | None) -> str:
    return f"{path}" if member is None else f"{path}, {member}"
