"""Memory of a Laplace approximation: blocks of Jacobians, never all outputs × all weights."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bnn.methods import Laplace
from bnn.methods.curvature import blocks
from tests.methods.laplace_cases import Network

# 2,000 outputs × 168,000 weights are 1.3 GB in float32 for one example.
_SCRIPT = """
from pathlib import Path
import keras
import numpy as np
from bnn.likelihoods import Categorical
from bnn.methods import Laplace

def status(field):
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith(field)]
    return 1024 * int(line.split()[1])

def model(outputs):
    layers = [keras.layers.Dense(80, "tanh"), keras.layers.Dense(outputs)]
    return keras.Sequential([keras.Input((72,)), *layers])

def laplace(outputs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 72)).astype(np.float32), np.zeros(2, int)
    found = Laplace("diagonal", prior_precision=1.0)
    return x, found.fit(model(outputs), Categorical(), (x, y), jit_compile=False)

x, small = laplace(20)
small.output_moments(x)
idle = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
x, found = laplace(2000)
print("measured", (status("VmHWM") - idle) / 2**20, found.weights.size)
assert np.isfinite(found.log_marginal_likelihood().numpy())
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_two_thousand_outputs_take_a_few_blocks():
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    [line] = [x.split()[1:] for x in done.stdout.splitlines() if x.startswith("measured")]
    mebibytes, weights = float(line[0]), int(line[1])
    print(mebibytes)
    whole = 4 * 2000 * weights / 2**20
    assert whole > 1200
    assert mebibytes < 450  # 64 MiB a block, its parts, their concatenation, squares, graph


@pytest.mark.parametrize("structure", ["full", "diagonal", "kfac", "low_rank"])
def test_blocks_of_rows_give_what_whole_jacobians_do(structure, monkeypatch):
    """27 weights and 3 outputs, in blocks of two rows, the last of which is half empty."""
    network = Network()
    spread = network.fit(Laplace(structure)).output_moments(network.x)[1]
    monkeypatch.setattr(blocks, "_BLOCK", 60)
    cut = Network().fit(Laplace(structure))
    np.testing.assert_allclose(cut.output_moments(network.x)[1], spread, rtol=1e-4, atol=1e-5)


def test_a_block_is_never_larger_than_it_may(monkeypatch):
    """Of 81 numbers a Jacobian, 60 at most are asked for at once."""
    seen = []
    kept = blocks._jacobians

    def watched(model, weights, inputs, rows):
        found = kept(model, weights, inputs, rows)
        seen.append(found.shape[1] * found.shape[2])
        return found

    monkeypatch.setattr(blocks, "_BLOCK", 60)
    monkeypatch.setattr(blocks, "_jacobians", watched)
    network = Network()
    for structure in ("full", "diagonal", "low_rank"):
        network.fit(Laplace(structure)).output_moments(network.x)
    assert seen
    assert max(seen) <= 60
