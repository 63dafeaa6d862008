"""1, 2 and 4 replicas with shared noise: the same losses for the same global batches.

Of data on the device and of a stream, of which every replica has its own part.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import agreement
import numpy as np
import pytest
from agreement import ESTIMATORS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SIZES = (1, 2, 4)
SOURCES = {"resident": [], "streamed": ["--streamed"]}
# Sums of 16 terms in another order: a few units in float32's last place, 24 bits.
TOLERANCE = 64 * 2.0**-24


def start(size, folder, *options):
    """One process per size: two strategies of different sizes do not go together in one."""
    output = folder / f"{size}{''.join(options)}.json"
    command = [sys.executable, agreement.__file__]
    process = subprocess.Popen(
        [*command, f"--replicas={size}", f"--output={output}", *options],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, output


def finish(process, output):
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return json.loads(output.read_text())


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    return {
        (source, size): finish(*start(size, folder, *options))
        for source, options in SOURCES.items()
        for size in SIZES
    }


def assert_agree(one, many):
    for part in ("loss", "nll", "kl", "state"):
        scale = max(1.0, float(np.max(np.abs(one[part]))))
        difference = np.max(np.abs(np.subtract(one[part], many[part])))
        assert difference <= TOLERANCE * scale, part
    # Adam divides by the gradient's own size, which magnifies the rounding of small gradients.
    np.testing.assert_allclose(many["weights"], one["weights"], rtol=0, atol=2e-3)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_replicas_agree_with_one_device(results, name, size, source):
    assert_agree(results[source, 1][name], results[source, size][name])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_stream_agrees_with_data_on_the_device(results, name, size):
    assert_agree(results["resident", size][name], results["streamed", size][name])


def test_what_the_agreement_is_measured_on_varies(results):
    losses = {name: tuple(values["loss"]) for name, values in results["resident", 1].items()}
    assert len(set(losses.values())) >= len(losses) - 1  # two differ by their gradients alone
    for values in results["resident", 1].values():
        assert len(set(values["loss"])) == len(values["loss"])


def test_independent_noise_differs_by_the_replicas(results, tmp_path):
    independent = finish(*start(2, tmp_path, "--independent"))
    for name, values in independent.items():
        same = np.allclose(values["loss"], results["resident", 2][name]["loss"], rtol=1e-5)
        assert same == (name == "Mean"), name
        np.testing.assert_allclose(
            values["kl"][0], results["resident", 2][name]["kl"][0], rtol=1e-6
        )
