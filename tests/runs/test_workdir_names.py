"""Names of a run's folder: any that the system takes, but for what TensorFlow cannot read."""

import functools
import os

import keras
import numpy as np
import pytest

import bnn
from bnn import experiment
from bnn.data import regression_dataset

NAMES = [
    "two words",
    "star*mark?",
    "grün→ψ",
    "100 %",
    "{a,b}",
    "quote'\"",
    "-x",
    "a=b;c",
]


def run(workdir):
    x = np.linspace(-1, 1, 24)[:, np.newaxis]
    return experiment.run(
        workdir,
        data=regression_dataset("line", (x[:16], x[:16]), (x[16:], x[16:])),
        model=functools.partial(bnn.models.mlp, hidden=()),
        likelihood=bnn.likelihoods.Normal(0.5),
        method=bnn.methods.VariationalInference(bnn.estimators.LocalReparameterization()),
        optimizer=keras.optimizers.Adam(0.01),
        epochs=2,
        batch_size=8,
        num_predict_samples=2,
        save_seconds=0.0,
        jit_compile=False,
    )


def left(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a run leaves, by name, and its numbers."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    return run(folder)["test"], left(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_a_folder_of_any_name(tmp_path, clean_gin, expected, name):
    first = run(tmp_path / name)
    assert first["test"] == expected[0]
    assert left(tmp_path / name) == expected[1]
    assert [path.name for path in tmp_path.iterdir()] == [name]  # and nowhere else
    assert run(tmp_path / name) == first  # the same command finds its results
    (tmp_path / name / "results.json").unlink()
    assert run(tmp_path / name)["test"] == first["test"]  # and its checkpoints


def test_a_tilde_is_the_home(tmp_path, clean_gin, expected, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run("~/runs/a")["test"] == expected[0]
    assert left(tmp_path / "runs" / "a") == expected[1]
    assert not (tmp_path / "~").exists()


def test_a_name_that_is_no_text_is_refused_before_anything_is_written(tmp_path, clean_gin):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/gr\xfcn")
    with pytest.raises(ValueError, match=r"^workdir must be text in UTF-8, got .*gr\\udcfcn'; cho"):
        run(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a[1-3]b", "[x]/run", "a\\b"])
def test_what_tensorflow_takes_for_a_pattern_is_refused_before_anything_is_written(
    tmp_path, clean_gin, monkeypatch, name
):
    """A run could not read its own checkpoints."""
    with pytest.raises(ValueError, match=r"^workdir must have no brackets and no backslash in its"):
        run(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    inside = tmp_path / "[here]"
    inside.mkdir()
    monkeypatch.chdir(inside)
    with pytest.raises(ValueError, match=r"for a pattern, got 'run'; choose another name\."):
        run("run")
    assert list(inside.iterdir()) == []
