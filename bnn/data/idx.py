"""A strict reader of IDX files, the format of MNIST and its likes, plain or gzipped.

An IDX file is a magic number (two zero bytes, a type code, the number of dimensions), the
dimensions as big-endian uint32, then the values in C order, big-endian.
Reference: http://yann.lecun.com/exdb/mnist/, "the IDX file format".
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

_DTYPES: dict[int, np.dtype] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_BLOCK = 1 << 20


def read_idx(
    path: str | os.PathLike[str], *, remedy: str = "get the file again from its source"
) -> np.ndarray:
    """Returns the array that an IDX file holds, in its own shape and type, native byte order.

    Gzip is recognised by its first two bytes. Nothing in the file is trusted: no more is read
    than the header announces, and no memory is taken before it is filled.

    Args:
      path: the file.
      remedy: what the reader of an error should do; ends every message.

    Raises:
      FileNotFoundError: no such file.
      ValueError: wrong magic number or type code, truncated, corrupt or overlong content; the
        message names the file, what was expected and what was seen.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {remedy}.")
    with path.open("rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        try:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if compressed else plain
            return _read(stream, path, remedy)
        except EOFError as error:
            raise _error(path, "the gzip stream is truncated", remedy) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise _error(path, f"the gzip stream is corrupt ({error})", remedy) from error


def _read(stream: BinaryIO, path: Path, remedy: str) -> np.ndarray:
    magic = _take(stream, 4, path, "the magic number", remedy)
    if magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not magic[3]:
        codes = ", ".join(f"{code:#04x}" for code in _DTYPES)
        raise _error(
            path,
            f"wrong magic number: expected 0x0000, a type code of {codes} and the number of "
            f"dimensions, got 0x{magic.hex()}; this is no IDX file",
            remedy,
        )
    dtype, rank = _DTYPES[magic[2]], magic[3]
    shape = struct.unpack(f">{rank}I", _take(stream, 4 * rank, path, "the dimensions", remedy))
    size = math.prod(shape) * dtype.itemsize
    content = _take(stream, size, path, f"the values of shape {shape}", remedy)
    if stream.read(1):
        raise _error(
            path,
            f"trailing bytes: expected {4 + 4 * rank + size} bytes for shape {shape}, got more",
            remedy,
        )
    values = np.frombuffer(content, dtype).reshape(shape)  # shares the memory of content
    if dtype.isnative:
        return values
    return values.byteswap(inplace=True).view(dtype.newbyteorder("="))


def _take(stream: BinaryIO, size: int, path: Path, what: str, remedy: str) -> bytearray:
    content = bytearray()  # grows in place, and can be written to
    while len(content) < size:
        block = stream.read(min(size - len(content), _BLOCK))
        if not block:
            raise _error(
                path,
                f"truncated: expected {size} bytes for {what}, got {len(content)}",
                remedy,
            )
        content += block
    return content


def _error(path: Path, problem: str, remedy: str) -> ValueError:
    return ValueError(f"{path}: {problem}; {remedy}.")
