"""A package from outside adds a layer, posterior, method and data set, each in one file of its own.

Its gin files begin with `import my_package`; their own folder is on the path. Every run is trained,
killed and resumed, restored and reported without an edit anywhere in bnn.
"""

import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import bnn
from bnn import experiment
from bnn.runs.configuration import parse

FOLDER = pathlib.Path(__file__).parent
FILES = ["lstm_low_rank", "ensemble", "langevin", "twice"]


@pytest.fixture(autouse=True)
def _path_as_before():
    before = list(sys.path)
    yield
    sys.path[:] = before


def run(name, workdir, *bindings):
    parse([str(FOLDER / f"{name}.gin")], ["run.tracker = None", *bindings])
    return experiment.run(workdir=workdir)


@pytest.mark.usefixtures("clean_gin", "cheap_runs")
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n == "twice" else []) for n in FILES]
)
def test_a_strangers_parts_train_and_are_restored(name, tmp_path):
    done = run(name, tmp_path / name, "run.epochs = 3", "run.report_every = 3")
    assert np.isfinite(done.results["test"]["nll"])
    restored = bnn.restore(tmp_path / name)
    inputs = done.data.x_test[:5]
    np.testing.assert_allclose(restored.predict(inputs, 2), done.predict(inputs, 2), atol=1e-5)


def command(name, workdir, *bindings):
    return [
        *(sys.executable, "-m", "bnn.run", f"--gin_file={FOLDER / name}.gin"),
        *(f"--workdir={workdir}", "--gin_bindings=run.tracker = None"),
        *(f"--gin_bindings={each}" for each in bindings),
    ]


def lines(workdir):
    """The metrics without the clock."""
    text = (workdir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in text]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_strangers_run_is_killed_resumed_restored_and_reported(name, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(name, whole), check=True, capture_output=True)
    saving = command(name, killed, "run.save_seconds = 0.0")  # after every call
    process = subprocess.Popen(saving, stdout=subprocess.DEVNULL)
    while not list(killed.glob("checkpoints/ckpt-*.index")):
        time.sleep(0.02)
        assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "results.json").exists()
    subprocess.run(command(name, killed), check=True, capture_output=True)
    assert lines(killed) == lines(whole)
    results = [json.loads((f / "results.json").read_text())["test"] for f in (killed, whole)]
    assert results[0] == results[1]
    report = [sys.executable, "-m", "bnn.report", str(killed), f"--output={tmp_path / 'report'}"]
    subprocess.run(report, check=True, capture_output=True, cwd=tmp_path)
    assert (tmp_path / "report" / "report.html").exists()
