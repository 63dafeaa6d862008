"""Predictions of many samples are filled in place: little more than the result itself."""

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
from pathlib import Path
import keras
import numpy as np
import bnn

def status(field):
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith(field)]
    return 1024 * int(line.split()[1])

model = keras.Sequential([keras.Input((20,)), bnn.layers.Dense(50, "relu"), bnn.layers.Dense(10)])
inputs = np.random.default_rng(0).normal(size=(10_000, 20)).astype(np.float32)
bnn.predict(model, inputs, 8)
idle = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
outputs = bnn.predict(model, inputs, 1000)
assert outputs.shape == (1000, 10_000, 10)
print("measured", (status("VmHWM") - idle) / (4 * 1000 * 10_000 * 10))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_a_thousand_samples_of_ten_thousand_inputs_take_their_result_and_little_more():
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    [ratio] = [float(x.split()[1]) for x in done.stdout.splitlines() if x.startswith("measured")]
    print(ratio)
    assert ratio < 1.5
