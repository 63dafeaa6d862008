"""Averages, ensembles and dropout as runs: one binding, kills, restored predictions, replicas."""

import json
import subprocess
import sys

import numpy as np
import pytest

import bnn
from tests.distribution.kills import (
    finish,
    kill_often,
    largest_difference,
    lines,
    mirrored,
    start,
    state,
)

pytestmark = pytest.mark.slow
METHODS = {
    "SWA": [],
    "SWAG": ["SWAG.rank = 3"],
    "DeepEnsemble": ["DeepEnsemble.num_members = 3"],
    "MultiSWAG": ["DeepEnsemble.num_members = 2", "DeepEnsemble.method = @SWAG()"],
    "anchored": ["DeepEnsemble.num_members = 2", "DeepEnsemble.method = @AnchoredMAP()"],
    "VI": ["DeepEnsemble.num_members = 2", "DeepEnsemble.method = @VariationalInference()"],
    "methods.MCDropout": ["mlp.hidden = (8,)"],
    "StackedEnsemble": ["StackedEnsemble.num_members = 1"],
    "SnapshotEnsemble": ["SnapshotEnsemble.num_cycles = 3"],
    "MomentPropagation": ["mlp.hidden = (8,)"],
    "VBLL": ["mlp.hidden = (8,)"],
    "SNGP": ["mlp.hidden = (8,)", "SNGP.num_features = 32"],
    "DDU": ["mlp.hidden = (8,)"],
}
ENSEMBLES = ("MultiSWAG", "anchored", "VI")


def options(name):
    """Flags; those of the kills' own run have five times the epochs."""
    method = "DeepEnsemble" if name in ENSEMBLES else name
    bindings = [f"run.method = @{method}()", "run.epochs = 20", *METHODS[name]]
    return [f"--gin_bindings={binding}" for binding in bindings]


@pytest.mark.parametrize("name", METHODS)
def test_kills_change_no_bit_and_the_folder_predicts(tmp_path, name):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(whole, options(name))
    hit = kill_often(killed, kills=3, seed=3, options=options(name))
    assert hit["kills"], hit
    assert lines(whole) == lines(killed)
    assert state(whole) == state(killed)
    results = [json.loads((folder / "results.json").read_text()) for folder in (whole, killed)]
    assert results[0]["test"] == results[1]["test"]
    steps = results[0]["steps"]
    assert results[0]["gradient_evaluations"] == results[1]["gradient_evaluations"] == 48 * steps
    entries = [sorted((f / "checkpoints/archive").glob("*.npz")) for f in (whole, killed)]
    for one, other in zip(*entries, strict=True):
        assert one.name == other.name
        with np.load(one) as a, np.load(other) as b:
            assert all(a[key].tobytes() == b[key].tobytes() for key in {*a.files, *b.files})
    predictions = []
    for folder in (whole, killed):
        run = bnn.restore(folder)
        predictions.append(np.asarray(run.predict(run.data.x_test, 4)))
    np.testing.assert_array_equal(*predictions)
    replay = [sys.executable, "-m", "bnn.replay", f"--workdir={killed}", f"--step={steps // 2 + 1}"]
    subprocess.run(replay, check=True, capture_output=True)


@pytest.mark.parametrize("name", ["SWAG", "MultiSWAG", "anchored", "methods.MCDropout"])
def test_two_replicas_that_share_noise_train_as_one_device(tmp_path, name):
    processes = []
    for folder, more in (("one", []), ("two", mirrored(2))):
        processes.append(start(tmp_path / folder, [*options(name), *more]))
    for process in processes:
        out, _ = process.communicate(timeout=1800)
        assert process.returncode == 0, out
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-3
    held = [json.loads((tmp_path / f / "results.json").read_text()) for f in ("one", "two")]
    assert held[0]["gradient_evaluations"] == held[1]["gradient_evaluations"]
    assert held[0]["test"]["nll"] == pytest.approx(held[1]["test"]["nll"], rel=1e-2)
