"""Every shipped gin file: runnable ones run for two steps on small generated data."""

import gzip
import json
import struct
from pathlib import Path

import gin
import keras
import numpy as np
import pytest

from bnn import experiment
from bnn.runs import prepare
from bnn.runs.configuration import parse as parse_files
from bnn.training import Plan

CONFIGS = Path(__file__).parents[1] / "gin_configs"
RUNNABLE = sorted(set(CONFIGS.glob("*.gin")) - {CONFIGS / "base.gin"})
FRAGMENTS = sorted(set(CONFIGS.rglob("*.gin")) - set(CONFIGS.glob("*.gin")))
ESTIMATORS = sorted((CONFIGS / "estimator").glob("*.gin"))
LIGHTER = {"cifar10_resnet20.gin": ["resnet.depth = 8"]}
SMALL = ["run.batch_size = 8", "run.num_predict_samples = 2", "run.tracker = None"]


def named(paths):
    return pytest.mark.parametrize("file", paths, ids=lambda p: str(p.relative_to(CONFIGS)))


def write_images(folder):
    """40 training and 10 test images in the layout of MNIST."""
    random = np.random.RandomState(0)
    folder.mkdir(parents=True)
    for split, count in (("train", 40), ("t10k", 10)):
        images = random.randint(0, 256, (count, 28, 28))
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content = gzip.compress(header + array.astype(np.uint8).tobytes())
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(content)


def write_uci(folder, split):
    """50 rows of 4 features and a target, with the splits up to the one asked for."""
    random = np.random.RandomState(0)
    folder.mkdir(parents=True)
    np.savetxt(folder / "data.txt", random.normal(size=(50, 5)))
    np.savetxt(folder / "index_features.txt", np.arange(4), fmt="%d")
    np.savetxt(folder / "index_target.txt", [4], fmt="%d")
    (folder / "n_splits.txt").write_text(f"{split + 1}\n")
    for number in range(split + 1):
        order = random.permutation(50)
        np.savetxt(folder / f"index_train_{number}.txt", order[5:], fmt="%d")
        np.savetxt(folder / f"index_test_{number}.txt", order[:5], fmt="%d")


def serve_cifar10(folder, monkeypatch):
    """40 training and 10 test images in the form of CIFAR-10, in place of Keras's own reading."""
    monkeypatch.setenv("KERAS_HOME", str(folder))
    (folder / "datasets" / "cifar-10-batches-py").mkdir(parents=True)
    random = np.random.RandomState(0)
    parts = [
        (
            random.randint(0, 256, (count, 32, 32, 3)).astype(np.uint8),
            (np.arange(count) % 10)[:, np.newaxis].astype(np.uint8),
        )
        for count in (40, 10)
    ]
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: parts)


@pytest.fixture
def parse(clean_gin, monkeypatch):
    """parse(files, bindings): as the command line does it."""
    monkeypatch.setattr("gin.config._LOCATION_PREFIXES", [""])
    return lambda files, bindings=(): parse_files([str(f) for f in files], bindings)


@pytest.fixture
def run_two_steps(parse, tmp_path, monkeypatch):
    """run_two_steps(files, bindings): the results and the folder of a run of two steps."""
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "data"))

    def plan(num_train, batch_size, epochs, report_every):
        assert epochs > 0
        return Plan(num_train, batch_size, 2 * batch_size / num_train, report_every)

    monkeypatch.setattr(prepare, "Plan", plan)

    def run(files, bindings=SMALL):
        parse(files, bindings)
        for name in ("mnist", "fashion_mnist", "kmnist"):
            write_images(tmp_path / "data" / name)
        serve_cifar10(tmp_path / "keras", monkeypatch)
        try:
            uci = gin.query_parameter("uci.name"), gin.query_parameter("uci.split")
        except ValueError:  # not bound: the file does not use it
            pass
        else:
            write_uci(tmp_path / "data" / "uci" / uci[0], uci[1])
        return experiment.run(tmp_path / "run"), tmp_path / "run"

    return run


def assert_ran(results, workdir):
    assert results["steps"] == 2
    assert np.isfinite(list(results["test"].values())).all()
    assert np.isfinite(list(results["kl"].values())).all()
    (line,) = (workdir / "metrics.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["step"] == 2
    assert np.isfinite([record["loss"], record["nll"], record["kl"]]).all()
    assert "run.data = @" in (workdir / "config.gin").read_text()


def test_the_files_are_found():
    assert CONFIGS / "digits.gin" in RUNNABLE
    assert {p.parent.name for p in FRAGMENTS} >= {"data", "model", "estimator"}


@named(RUNNABLE)
def test_a_runnable_file_runs(run_two_steps, cheap_runs, file):
    results, workdir = run_two_steps([file], [*SMALL, *LIGHTER.get(file.name, [])])
    assert_ran(results, workdir)
    assert results["posterior"] == "whole KL" or "tempered" in file.name


@pytest.mark.slow
@named(RUNNABLE)
def test_a_runnable_file_runs_compiled_as_it_is(run_two_steps, file):
    """With the file's own choice of XLA, compiled predictions and figures."""
    results, workdir = run_two_steps([file])
    assert_ran(results, workdir)
    assert len(list((workdir / "figures").glob("*.png"))) == 2


@named(FRAGMENTS)
def test_a_fragment_parses_where_it_is_included(parse, file):
    parse([CONFIGS / "base.gin"])
    base = gin.config_str()
    gin.clear_config()
    parse([CONFIGS / "base.gin", file])
    assert gin.config_str() != base


@named(ESTIMATORS)
def test_an_estimator_is_chosen_by_one_file(run_two_steps, cheap_runs, file):
    results, workdir = run_two_steps([CONFIGS / "digits.gin", file], [*SMALL, "mlp.hidden = (4,)"])
    assert_ran(results, workdir)
    assert results["estimator"] == "".join(word.title() for word in file.stem.split("_"))


@pytest.mark.parametrize(
    "name", ["Mean", "Reparameterization", "LocalReparameterization", "Flipout", "ScoreFunction"]
)
def test_an_estimator_is_chosen_by_one_binding(run_two_steps, cheap_runs, name):
    binding = f"VariationalInference.estimator = @{name}()"
    results, _ = run_two_steps([CONFIGS / "digits.gin"], [*SMALL, "mlp.hidden = (4,)", binding])
    assert results["estimator"] == name
