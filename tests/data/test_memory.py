"""What loading takes beyond the data themselves; a process a case, because peaks never fall."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from bnn.data import memory, scales

_LIMIT = 1.5
_COUNT = 60_000

# Idle is what the process holds when everything is imported and TensorFlow has started.
_SCRIPT = """
import tensorflow as tf
import bnn.data
from bnn.data import memory

def status(field):
    # Not getrusage, whose peak begins with that of the process that started this one.
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith(field)]
    return 1024 * int(line.split()[1])

tf.reduce_sum(memory.to_tensor(memory.empty((64, 64))))
idle = status("VmRSS")
data = {call}
x = memory.to_tensor(data.x_train)
assert float(tf.reduce_sum(x[:8])) == float(tf.reduce_sum(data.x_train[:8]))
size = sum(a.nbytes for part in ("train", "valid", "test") for a in data.part(part))
peak = status("VmHWM")
print((peak - idle) / size, size)
"""


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux's /proc/self/status"
)


def _ratio(call: str) -> tuple[float, int]:
    script = _SCRIPT.replace("{call}", call)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ratio, size = done.stdout.split()
    return float(ratio), int(size)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60,000 + 6,000 random images in IDX files, in an archive and as one table."""
    root = tmp_path_factory.mktemp("sets")
    (root / "mnist").mkdir()
    random = np.random.RandomState(0)
    for prefix, count in (("train", _COUNT), ("t10k", _COUNT // 10)):
        images = random.randint(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (root / "mnist" / f"{prefix}-{kind}-ubyte").write_bytes(header + array.tobytes())
    table = random.normal(size=(_COUNT, 784)).astype(np.float32)
    np.savez(root / "table.npz", x=table, y=np.arange(_COUNT) % 7)
    (root / "rows").mkdir()
    np.save(root / "rows" / "x.npy", table)
    np.save(root / "rows" / "y.npy", table[:, :2])
    return root


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize(
    "call",
    [
        "bnn.data.mnist('{root}')",
        "bnn.data.mnist('{root}', flatten=True, standardize=True, validation_fraction=0.1)",
        "bnn.data.arrays('{root}/table.npz', validation_fraction=0.1)",
        "bnn.data.arrays('{root}/table.npz', standardize='all')",
        "bnn.data.arrays('{root}/rows', standardize='columns')",
    ],
)
def test_loading_takes_at_most_half_of_the_data_on_top(folder: Path, call: str):
    ratio, size = _ratio(call.replace("{root}", str(folder)))
    assert size > 180e6
    assert ratio < _LIMIT


@pytest.mark.slow
@needs_proc
def test_the_measure_sees_a_copy(folder: Path):
    # Power: what the loaders did before, a second copy, is found.
    call = f"(lambda d: (setattr(bnn, 'copy', d.x_train + 1), d)[1])(bnn.data.mnist('{folder}'))"
    assert _ratio(call)[0] > _LIMIT


def test_arrays_of_ours_are_shared_with_tensors_and_others_are_copied():
    ours = memory.empty((5, 3))
    ours[:] = 1
    assert ours.ctypes.data % 64 == 0
    tensor = memory.to_tensor(ours)
    ours[0, 0] = 7
    assert tensor[0, 0] == 7
    room = memory.empty((6, 3))
    for other in (room[1:], np.asfortranarray(ours), ours[:, 1:], np.broadcast_to(ours, (2, 5, 3))):
        tensor = memory.to_tensor(other)
        np.testing.assert_array_equal(tensor, other)
    theirs = np.empty(ours.nbytes + 64, np.uint8)  # aligned, but somebody else's to write to
    start = -theirs.ctypes.data % 64
    theirs = theirs[start : start + ours.nbytes].view(np.float32).reshape(5, 3)
    theirs[:] = 1
    tensor = memory.to_tensor(theirs)
    theirs[0, 0] = 7
    assert tensor[0, 0] == 1
    frozen = memory.empty((2, 2))
    frozen[:] = 3
    frozen.flags.writeable = False
    assert memory.to_tensor(frozen)[1, 1] == 3
    assert memory.to_tensor(memory.empty((0, 3))).shape == (0, 3)


def test_a_shared_tensor_outlives_its_array():
    array = memory.empty((1000, 1000))
    array[:] = np.arange(1000)
    tensor = memory.to_tensor(array)
    del array
    filler = [np.zeros((1000, 1000), np.float32) for _ in range(20)]
    assert float(tf.reduce_sum(tensor)) == 1000 * 499_500
    del filler


@pytest.mark.parametrize("block", [1, 7, 2**20])
def test_blocks_do_not_change_numbers_beyond_rounding(monkeypatch, block):
    monkeypatch.setattr(memory, "_BLOCK", block)
    random = np.random.RandomState(0)
    x = random.normal(1e6, 3.0, (500, 4))
    loc, scale = scales.columns(x)
    np.testing.assert_allclose(loc, x.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(scale, x.std(axis=0), rtol=1e-12)
    expected = ((x - loc) / scale).astype(np.float32)
    np.testing.assert_array_equal(scales.standardize(x, loc, scale), expected)
    images = random.randint(0, 256, (30, 5)).astype(np.uint8)
    rows = np.array([3, 9, 29])
    np.testing.assert_array_equal(
        memory.filled(images, rows, 255), images[rows].astype(np.float32) / 255
    )
