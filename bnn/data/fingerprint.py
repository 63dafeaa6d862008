"""A short name for the content of arrays, the same on every machine."""

import hashlib
import json
from typing import Any

import numpy as np

from bnn.data import memory


def fingerprint(arrays: list[tuple[str, np.ndarray]], about: Any) -> str:
    """Returns 32 hexadecimal digits, BLAKE2b of names, types, shapes, values and JSON `about`.

    Values are hashed as little-endian in C order, block by block.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(about, sort_keys=True).encode())
    for name, values in sorted(arrays, key=lambda pair: pair[0]):
        values = np.atleast_1d(values)
        little = values.dtype.newbyteorder("<")
        digest.update(f"\n{name} {little.str} {values.shape}\n".encode())
        for part in memory.blocks(values):
            digest.update(np.ascontiguousarray(values[part], little).tobytes())
    return digest.hexdigest()
