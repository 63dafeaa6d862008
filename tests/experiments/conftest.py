"""The studies are run, and imported, from the repository's root."""

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def _write_set(folder, num_train, num_test, seed):
    """Images of a bright bar whose row is the class, in the layout of MNIST."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for split, count in (("train", num_train), ("t10k", num_test)):
        labels = np.arange(count) % 10
        images = random.integers(0, 60, (count, 28, 28))
        images[np.arange(count), 2 + 2 * labels] = 255
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            path = folder / f"{split}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


@pytest.fixture
def write_set():
    return _write_set
