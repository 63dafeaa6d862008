import gzip
import shutil
import struct
from pathlib import Path

import gin
import numpy as np
import pytest

from bnn import experiment
from bnn.report import build_report, sections
from bnn.report.out_of_distribution import out_of_distribution_file, predict_other_sets
from bnn.report.runs import read_runs
from bnn.runs.configuration import parse as _parse
from bnn.runs.prediction_file import load_predictions
from bnn.runs.restore import restore

CONFIGS = Path(__file__).parents[2] / "gin_configs"


def write_images(folder, seed):
    """40 training and 10 test images in the layout of MNIST."""
    random = np.random.RandomState(seed)
    folder.mkdir(parents=True)
    for split, count in (("train", 40), ("t10k", 10)):
        images = random.randint(0, 256, (count, 28, 28))
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content = gzip.compress(header + array.astype(np.uint8).tobytes())
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(content)


@pytest.fixture
def trained(tmp_path, monkeypatch, cheap_runs, clean_gin):
    """The folder of a run of two steps on images, beside two other sets."""
    for seed, name in enumerate(("mnist", "kmnist", "letters")):
        write_images(tmp_path / "data" / name, seed)
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "data"))
    small = ["mlp.hidden = (4,)", "run.batch_size = 40", "run.num_predict_samples = 3"]
    fast = ["run.epochs = 2", "run.report_every = 1", "run.tracker = None"]
    _parse([str(CONFIGS / "mnist_mlp.gin")], [*small, *fast, "run.jit_compile = False"])
    experiment.run(workdir=tmp_path / "run")
    gin.clear_config()
    return tmp_path / "run"


def test_other_sets_are_predicted_once_as_the_runs_own(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "joint_figures", lambda *args: [])
    build_report([trained], tmp_path / "out", out_of_distribution=["kmnist", "mnist"])
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "### Out of distribution" in markdown
    assert "entropy in and out of distribution" in markdown
    path = out_of_distribution_file(trained, "kmnist")
    read = load_predictions(path)
    assert (read.num_samples, read.num_examples) == (3, 10)
    run = restore(trained)
    from bnn.data import load_images

    images, _ = load_images("kmnist", "test")
    log_probs = run.problem.likelihood.log_probs(run.predict(run.data.prepare_inputs(images)))
    np.testing.assert_allclose(read.log_probs, log_probs, rtol=1e-5, atol=1e-6)
    assert not out_of_distribution_file(trained, "mnist").exists()  # its own
    before = path.stat().st_mtime_ns
    monkeypatch.setattr("bnn.report.out_of_distribution.restore", None)  # would be called
    predict_other_sets(read_runs([trained])[0], ["kmnist"])
    assert path.stat().st_mtime_ns == before


def test_a_set_that_is_not_there(trained):
    runs, _, _ = read_runs([trained])
    with pytest.raises(FileNotFoundError, match="klingon"):
        predict_other_sets(runs, ["klingon"])


def test_regressions_have_none(write_run):
    runs, _, _ = read_runs([write_run("a", make=write_run.regression)])
    with pytest.raises(
        ValueError, match=r"^out_of_distribution needs runs that classify, got regressions only; le"
    ):
        predict_other_sets(runs, ["kmnist"])


def test_a_run_that_cannot_take_a_set_is_skipped_by_name(trained, tmp_path, monkeypatch):
    """The README's example: digits have 64 pixels, and kmnist has 784."""
    monkeypatch.setattr(sections, "joint_figures", lambda *args: [])
    monkeypatch.setattr(sections, "group_figures", lambda *args: [])
    small = ["mlp.hidden = (4,)", "run.epochs = 0.1", "run.num_predict_samples = 3"]
    fast = ["run.report_every = 0.1", "run.tracker = None", "run.jit_compile = False"]
    _parse([str(CONFIGS / "digits.gin")], [*small, *fast])
    experiment.run(workdir=tmp_path / "digits")
    gin.clear_config()
    said = []
    folders = [tmp_path / "digits", trained]
    build_report(folders, tmp_path / "out", out_of_distribution=["kmnist"], say=said.append)
    [line] = [line for line in said if "not tested" in line]
    assert line.startswith(f"{tmp_path / 'digits'} is not tested against kmnist: digits: raw must")
    text = (tmp_path / "out" / "report.md").read_text()
    assert "is not tested against kmnist" in text
    assert "| kmnist |" in text
    assert said[0] == f"{tmp_path / 'digits'}: predicting kmnist"


def test_a_run_without_its_checkpoint_is_skipped_by_name(trained):
    shutil.rmtree(trained / "checkpoints")
    [line] = predict_other_sets(read_runs([trained]).runs, ["kmnist", "letters"])
    assert line.startswith(f"{trained} is not tested against kmnist, letters: ")
    assert "\n" not in line
