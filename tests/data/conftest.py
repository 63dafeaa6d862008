"""Real data where there is some, and writers of small files in the same formats."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import gin
import numpy as np
import pytest

_SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Gives the folder of data sets that holds the named one, or skips the test."""

    def find(name: str) -> Path:
        root = Path(os.environ.get("BNN_DATA_DIR") or _SHARED)
        if not (root / name).is_dir():
            pytest.skip(f"needs the data set {name}: set BNN_DATA_DIR to the folder that holds it")
        return root

    return find


@pytest.fixture
def no_data_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BNN_DATA_DIR", raising=False)


@pytest.fixture
def clean_gin():
    gin.clear_config()
    yield
    gin.clear_config()


def _idx(array: np.ndarray) -> bytes:
    """The IDX file of an array of unsigned bytes."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def _write_images(
    folder: Path, split: str, images: np.ndarray, labels: np.ndarray, zipped: bool = True
) -> None:
    """Writes one split of an image set in the layout of MNIST."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        path = folder / f"{split}-{kind}-ubyte{'.gz' if zipped else ''}"
        content = _idx(array)
        path.write_bytes(gzip.compress(content) if zipped else content)


@pytest.fixture
def write_images() -> Callable[..., None]:
    return _write_images


@pytest.fixture
def image_root(tmp_path: Path) -> Path:
    """A folder of data sets with a small MNIST (30 + 20 images) and a KMNIST without training."""
    random = np.random.RandomState(0)
    for name, split, count in (
        ("mnist", "train", 30),
        ("mnist", "t10k", 20),
        ("kmnist", "t10k", 5),
    ):
        images = random.randint(0, 256, (count, 28, 28))
        _write_images(tmp_path / name, split, images, np.arange(count) % 10)
    return tmp_path


def _write_uci(folder: Path, data: np.ndarray, num_splits: int = 2, num_targets: int = 1) -> Path:
    """Writes a folder in the UCI split layout; the last columns are the targets."""
    folder.mkdir(parents=True)
    rows, columns = data.shape
    np.savetxt(folder / "data.txt", data)
    np.savetxt(folder / "index_features.txt", np.arange(columns - num_targets), fmt="%d")
    np.savetxt(folder / "index_target.txt", np.arange(columns - num_targets, columns), fmt="%d")
    (folder / "n_splits.txt").write_text(f"{num_splits}\n")
    for split in range(num_splits):
        order = np.random.RandomState(split).permutation(rows)
        np.savetxt(folder / f"index_train_{split}.txt", order[rows // 10 :], fmt="%d")
        np.savetxt(folder / f"index_test_{split}.txt", order[: rows // 10], fmt="%d")
    return folder


@pytest.fixture
def write_uci() -> Callable[..., Path]:
    return _write_uci


@pytest.fixture
def uci_folder(tmp_path: Path) -> Path:
    """`<tmp_path>/uci/toy`: 50 rows, 3 features of which one is constant, 1 target, 5 splits."""
    data = np.random.RandomState(0).normal(3.0, 2.0, (50, 4))
    data[:, 1] = 0.1
    return _write_uci(tmp_path / "uci" / "toy", data, num_splits=5)
