import gzip
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest

from bnn.data import read_idx


def _idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


_IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("zipped", [False, True])
def test_bytes_come_back_in_their_shape(tmp_path: Path, zipped: bool):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(_idx(_IMAGES)) if zipped else _idx(_IMAGES))
    np.testing.assert_array_equal(read_idx(path), _IMAGES)
    assert read_idx(path).dtype == np.uint8


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")],
)
def test_every_type_code(tmp_path: Path, code: int, dtype: str):
    values = np.array([[0, 1], [2, 100]], dtype)
    path = tmp_path / "values"
    path.write_bytes(
        bytes([0, 0, code, 2]) + struct.pack(">2I", 2, 2) + values.astype(">" + dtype).tobytes()
    )
    read = read_idx(path)
    np.testing.assert_array_equal(read, values)
    assert read.dtype == values.dtype
    assert read.dtype.isnative


def test_an_empty_array(tmp_path: Path):
    (tmp_path / "none").write_bytes(_idx(np.zeros((0, 28, 28))))
    assert read_idx(tmp_path / "none").shape == (0, 28, 28)


_GOOD = _idx(_IMAGES)
_ZIPPED = gzip.compress(_GOOD, mtime=0)
_FLIPPED = _ZIPPED[:-6] + bytes([_ZIPPED[-6] ^ 1]) + _ZIPPED[-5:]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "truncated: expected 4 bytes for the magic number, got 0"),
        (b"\0\0", "truncated: expected 4 bytes for the magic number, got 2"),
        (b"<html>not here</html>", "wrong magic number: .* got 0x3c68746d; this is no IDX file"),
        (
            b"\0\0\x07\x01" + _GOOD[4:],
            "wrong magic number: .* a type code of 0x08, .*, got 0x00000701",
        ),
        (b"\0\0\x08\0", "wrong magic number"),
        (_GOOD[:9], "truncated: expected 12 bytes for the dimensions, got 5"),
        (_GOOD[:-3], r"truncated: expected 24 bytes for the values of shape \(2, 3, 4\), got 21"),
        (_GOOD + b"x", r"trailing bytes: expected 40 bytes for shape \(2, 3, 4\), got more"),
        (_ZIPPED[:-9], "the gzip stream is truncated"),
        (_ZIPPED[:5], "the gzip stream is truncated"),
        (_FLIPPED, r"the gzip stream is corrupt \(CRC check failed"),
        (_ZIPPED[:12] + b"\xff" * 8 + _ZIPPED[20:], "the gzip stream is corrupt"),
        (_ZIPPED + b"garbage", "the gzip stream is corrupt"),
        (gzip.compress(_GOOD + b"x"), "trailing bytes"),
        (gzip.compress(_GOOD[:-1]), "truncated: expected 24 bytes .* got 23"),
        # A header that announces 10^28 bytes must not be believed.
        (b"\0\0\x08\x03" + b"\xff" * 12 + b"1234", r"truncated: expected \d{29} bytes .* got 4"),
    ],
    ids=itertools.count(),  # the bytes would make unreadable names
)
def test_a_bad_file_is_named_with_what_is_wrong_and_what_to_do(
    tmp_path: Path, content: bytes, problem: str
):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path}: {problem}.*; fetch it from there\.$"):
        read_idx(path, remedy="fetch it from there")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"labels.gz: no such file; get the file again"):
        read_idx(tmp_path / "labels.gz")
