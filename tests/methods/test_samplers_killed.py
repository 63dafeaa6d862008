"""Every sampler is killed by SIGKILL, continued to the same bits and restored, as a run."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bnn

GIN = Path(__file__).parents[2] / "gin_configs" / "digits.gin"
SAMPLERS = {
    "SGLD": ["SGLD.preconditioned = True", "run.epochs = 12"],
    "SGHMC": ["run.epochs = 12"],
    "HMC": ["HMC.num_chains = 2", "run.epochs = 60"],
    "NUTS": ["run.epochs = 40"],
    "MCLMC": ["MCLMC.num_chains = 2", "run.epochs = 60"],
    "MILE": ["MCLMC.num_chains = 2", "run.epochs = 60"],  # from an ensemble's members
}


def command(name, workdir):
    method = "MCLMC" if name == "MILE" else name
    bindings = ["run.tracker = None", "run.save_seconds = 0.0", "run.report_every = 2"]
    bindings += ["mlp.hidden = (20,)", f"run.method = @{method}()", *SAMPLERS.get(name, ())]
    if name == "MILE":
        bindings.append(f"MCLMC.members = '{workdir.parent / 'ensemble'}'")
    start = [sys.executable, "-m", "bnn.run", f"--gin_file={GIN}"]
    return [*start, f"--workdir={workdir}", *(f"--gin_bindings={b}" for b in bindings)]


def lines(workdir):
    """The metrics without the clock."""
    text = (workdir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in text]


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_it_is_killed_in_the_midst_of_samples_and_continued_to_the_same_bits(name, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    if name == "MILE":
        short = ["--gin_bindings=run.epochs = 4", "--gin_bindings=DeepEnsemble.num_members = 2"]
        ensemble = [*command("DeepEnsemble", tmp_path / "ensemble"), *short]
        subprocess.run(ensemble, check=True, capture_output=True)
    subprocess.run(command(name, whole), check=True, capture_output=True)
    process = subprocess.Popen(command(name, killed), stdout=subprocess.DEVNULL)
    while not list(killed.glob("checkpoints/archive/000001.npz")):
        time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "results.json").exists()
    subprocess.run(command(name, killed), check=True, capture_output=True)
    assert lines(killed) == lines(whole)
    results = [json.loads((f / "results.json").read_text()) for f in (killed, whole)]
    for what in ("test", "gradient_evaluations", "stored_samples", "chains"):
        assert results[0].get(what) == results[1].get(what), what
    if name == "MILE":  # its chains are in the checkpoint
        (tmp_path / "ensemble").rename(tmp_path / "elsewhere")
    runs = [bnn.restore(folder) for folder in (killed, whole)]
    inputs = runs[0].data.x_test[:20]
    np.testing.assert_array_equal(*(run.predict(inputs, 8) for run in runs))
    report = [sys.executable, "-m", "bnn.report", str(killed), f"--output={tmp_path / 'report'}"]
    subprocess.run(report, check=True, capture_output=True)
    assert (tmp_path / "report" / "report.html").exists()
