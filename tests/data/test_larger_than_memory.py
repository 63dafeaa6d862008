"""Sets that are larger than what a run may hold in memory, in sparse files: nothing is written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

LIMIT = 2.5e9
FEATURES = 784
# Bytes: of the training inputs 6 GB, of the test inputs 3 GB.
SIZES = {"train": 6_000_000_000, "test": 3_000_000_000}

_SCRIPT = """
import sys
from absl import flags
import bnn.run
code = bnn.run.main(flags.FLAGS(["bnn.run", *sys.argv[1:]]))
with open("/proc/self/status") as file:
    [line] = [line for line in file if line.startswith("VmHWM")]
print("peak", 1024 * int(line.split()[1]))
sys.exit(code)
"""


def write_sparse(folder: Path) -> dict[str, int]:
    """Inputs of zeros, which take no room on the disk, and labels; the rows of every part."""
    rows = {part: -(-size // (4 * FEATURES)) for part, size in SIZES.items()}
    for part, count in rows.items():
        np.lib.format.open_memmap(folder / f"x_{part}.npy", "w+", np.float32, (count, FEATURES))
        np.save(folder / f"y_{part}.npy", (np.arange(count) % 10).astype(np.int32))
    return rows


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_nine_gigabytes_train_and_are_judged_in_two_and_a_half(tmp_path):
    (tmp_path / "set").mkdir()
    rows = write_sparse(tmp_path / "set")
    sizes = {part: (tmp_path / "set" / f"x_{part}.npy").stat().st_size for part in SIZES}
    assert all(sizes[part] >= SIZES[part] for part in SIZES)
    bindings = [
        "run.data = @arrays()",
        f"arrays.path = '{tmp_path / 'set'}'",
        "arrays.stream = True",
        "arrays.stream_test = True",
        "mlp.hidden = ()",
        "run.epochs = 1",
        "run.report_every = 1",
        "run.batch_size = 1024",
        "run.num_predict_samples = 4",
        "run.tracker = None",
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-c", _SCRIPT, "--gin_file=digits.gin"),
            f"--workdir={tmp_path / 'run'}",
            *(f"--gin_bindings={binding}" for binding in bindings),
        ],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["num_train"], results["num_test"]) == (rows["train"], rows["test"])
    peak = int(done.stdout.rpartition("peak ")[2])
    print("peak", peak)
    assert peak < LIMIT
