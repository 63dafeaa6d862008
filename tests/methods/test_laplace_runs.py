"""Laplace and IVON as methods of runs: one binding, finished once, killed, resumed and restored."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import gin
import numpy as np
import pytest
import tensorflow as tf

import bnn
from bnn import experiment
from bnn.methods import IVON, Laplace
from bnn.runs.configuration import parse

CONFIG = pathlib.Path(__file__).parents[2] / "gin_configs" / "digits.gin"
SMALL = [
    "run.epochs = 2",
    "run.batch_size = 240",
    "run.num_predict_samples = 3",
    "run.tracker = None",
    "mlp.hidden = (5,)",
]
LOW_RANK = ['methods.Laplace.structure = "low_rank"', "methods.Laplace.rank = 6"]


def run(workdir, *bindings):
    gin.clear_config()
    with gin.unlock_config():
        parse([str(CONFIG)], [*SMALL, *bindings])
    return experiment.run(workdir)


@pytest.mark.usefixtures("clean_gin", "cheap_runs")
def test_a_laplace_run_is_restored(tmp_path):
    binding = "run.method = @methods.Laplace()"
    done = run(tmp_path / "run", binding)
    assert isinstance(done.method, Laplace)
    about = done.results
    assert about["random_weights"] == 385 == about["num_parameters"]
    # 12 steps of 240 and ten backward passes of every example.
    assert about["gradient_evaluations"] == 12 * 240 + 10 * about["num_train"]
    assert np.isfinite(about["log_marginal_likelihood"])
    inputs = done.data.x_test[:5]
    expected = done.predict(inputs)
    restored = bnn.restore(tmp_path / "run")
    assert restored.method.finished
    np.testing.assert_array_equal(restored.predict(inputs), expected)
    # What is said of the targets is of the same linearised outputs, not of the network's.
    said = restored.predictive(inputs)
    linear = tf.nn.softmax(tf.cast(expected, tf.float64)).numpy().mean(axis=0)
    np.testing.assert_allclose(said.mean, linear, rtol=1e-6)
    network = restored.method.functions(restored.num_predict_samples, restored.problem.seed)
    drawn = bnn.predict(restored.model, inputs, network.num_samples, functions=network)
    assert np.abs(tf.nn.softmax(drawn).numpy().mean(axis=0) - linear).max() > 1e-3
    with pytest.raises(ValueError, match="tolerance and method must be left out for Laplace"):
        restored.predictive(inputs, tolerance=0.01)
    post_hoc = Laplace("kfac", where="last", prior_precision="one")
    post_hoc.fit(restored.model, restored.problem.likelihood, restored.data, jit_compile=False)
    assert post_hoc.predict(inputs, 3, 0).shape == (3, 5, 10)


@pytest.mark.slow
@pytest.mark.usefixtures("clean_gin", "cheap_runs")
def test_a_low_rank_run_is_restored(tmp_path):
    done = run(tmp_path / "run", "run.method = @methods.Laplace()", *LOW_RANK)
    assert done.results["rank"] == 6
    assert done.results["smallest_eigenvalue"] > 0
    inputs = done.data.x_test[:5]
    restored = bnn.restore(tmp_path / "run")
    np.testing.assert_array_equal(restored.predict(inputs), done.predict(inputs))
    assert restored.method.describe()["residual"] == done.results["residual"]


@pytest.mark.slow
@pytest.mark.usefixtures("clean_gin", "cheap_runs")
def test_a_laplace_run_is_finished_once(tmp_path, monkeypatch):
    binding = "run.method = @methods.Laplace()"
    done = run(tmp_path / "run", binding)
    inputs, expected = done.data.x_test[:5], done.predict(done.data.x_test[:5])
    # Killed before its results, with the curvature saved: it is not computed again.
    (tmp_path / "run" / "results.json").unlink()
    shutil.copytree(tmp_path / "run", tmp_path / "earlier")
    with monkeypatch.context() as patch:
        patch.setattr(Laplace, "finish", None)
        assert run(tmp_path / "run", binding).results["test"] == done.results["test"]
    # Killed before that: computed again, to the same bits.
    shutil.rmtree(tmp_path / "earlier" / "checkpoints" / "finished")
    again = run(tmp_path / "earlier", binding)
    assert again.results["test"] == done.results["test"]
    np.testing.assert_array_equal(again.predict(inputs), expected)


@pytest.mark.slow
@pytest.mark.usefixtures("clean_gin", "cheap_runs")
def test_an_ivon_run_is_restored(tmp_path):
    done = run(tmp_path / "run", "run.method = @IVON()")
    assert isinstance(done.method, IVON)
    assert done.results["trained_by_optimizer"] == []
    assert done.results["gradient_evaluations"] == 12 * 240
    restored = bnn.restore(tmp_path / "run")
    np.testing.assert_array_equal(
        restored.predict(done.data.x_test[:5]), done.predict(done.data.x_test[:5])
    )


METHODS = {
    "Laplace": ["run.method = @methods.Laplace()"],
    "low rank": ["run.method = @methods.Laplace()", *LOW_RANK],
    "IVON": ["run.method = @IVON()"],
}


def command(bindings, workdir):
    bindings = [*SMALL, "run.epochs = 30", "run.save_seconds = 0.0", *bindings]
    return [
        *(sys.executable, "-m", "bnn.run", f"--gin_file={CONFIG}", f"--workdir={workdir}"),
        *(f"--gin_bindings={binding}" for binding in bindings),
    ]


def lines(workdir):
    """The metrics without the clock."""
    text = (workdir / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in text]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_run_is_killed_and_resumed_to_the_same_bits(method, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(method, whole), check=True, capture_output=True)
    process = subprocess.Popen(command(method, killed), stdout=subprocess.DEVNULL)
    while not list(killed.glob("checkpoints/ckpt-*.index")):
        time.sleep(0.02)
        assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "results.json").exists()
    subprocess.run(command(method, killed), check=True, capture_output=True)
    assert lines(killed) == lines(whole)
    results = [json.loads((f / "results.json").read_text()) for f in (killed, whole)]
    assert results[0]["test"] == results[1]["test"]
    assert results[0].get("log_marginal_likelihood") == results[1].get("log_marginal_likelihood")
