"""What a whole run takes beside its training data: at most half of their size on top of them.

A process a case, because a peak never falls: first a small run of the same model, after which
everything is imported and compiled, then the run that is measured. Both train, evaluate, draw and
write all that runs do.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

_LIMIT = 1.5
_SCRIPT = """
import sys
from pathlib import Path
from bnn import experiment, run
from bnn.runs.configuration import parse
import gin

def status(field):
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith(field)]
    return 1024 * int(line.split()[1])

def train(name):
    gin.clear_config()
    with gin.unlock_config():
        parse(["digits.gin"], [{bindings}, f"arrays.path = '{{sys.argv[1]}}/{{name}}'"])
        return experiment.run(f"{{sys.argv[1]}}/run_{{name}}")

train("small")
idle = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
data = train("large").data
size = sum(a.nbytes for part in ("train", "valid", "test") for a in data.part(part))
print("measured", (status("VmHWM") - idle) / size, size)
"""
_BINDINGS = {
    "run.data": "@arrays()",
    "run.batch_size": "100",
    "run.report_every": "1.0",
    "run.num_predict_samples": "2",
    "run.jit_compile": "False",
    "run.tracker": "None",
    "mlp.hidden": "(8,)",
}


def measured(folder, epochs, **more):
    """Peak over idle memory of a run, in sizes of its data, and that size."""
    bindings = {**_BINDINGS, "run.epochs": str(epochs), **more}
    lines = [f"{name} = {value}" for name, value in bindings.items()]
    script = _SCRIPT.format(bindings=", ".join(map(repr, lines)))
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("measured ")]
    ratio, size = line.split()[1:]
    print(f"{int(size) / 1e6:.0f} MB: {float(ratio):.3f}")
    return float(ratio), int(size)


def write_table(folder, count, width, random):
    """Rows and labels, and 1,000 of them to test on."""
    folder.mkdir()
    for part, rows in (("train", count), ("test", 1000)):
        table = np.lib.format.open_memmap(folder / f"x_{part}.npy", "w+", np.float32, (rows, width))
        for first in range(0, rows, 10_000):
            table[first : first + 10_000] = random.normal(size=table[first : first + 10_000].shape)
        np.save(folder / f"y_{part}.npy", np.arange(rows) % 10)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("count", "width", "standardize"),
    [(60_000, 784, "None"), (60_000, 784, "'all'"), (250_000, 784, "'columns'")],
    ids=["as large as MNIST", "as large as MNIST, standardised", "784 MB"],
)
def test_a_run_takes_at_most_half_of_its_data_on_top(tmp_path, count, width, standardize):
    random = np.random.default_rng(0)
    write_table(tmp_path / "small", 2_000, width, random)
    write_table(tmp_path / "large", count, width, random)
    ratio, size = measured(tmp_path, 2_000 / count, **{"arrays.standardize": standardize})
    assert size > 180e6
    assert ratio < _LIMIT
