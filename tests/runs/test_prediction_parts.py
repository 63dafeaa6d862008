"""Samples that are too large for memory lie on the disk, whole or not at all."""

import json

import numpy as np
import pytest

import bnn
from bnn.evaluation import blocks
from bnn.experiment import run
from bnn.runs.prediction_parts import PredictionParts, load_parts
from tests.runs.task_cases import TEST, arguments, of_values


def test_blocks_come_back_as_one_array(tmp_path, rng):
    samples = {"loc": rng.normal(size=(3, 10, 2)), "scale": rng.uniform(size=(3, 10, 1))}
    parts = PredictionParts(tmp_path / "test")
    for first in (4, 0, 8):
        block = slice(first, first + 4)
        parts.add(first, 10, {name: values[:, block] for name, values in samples.items()})
    with pytest.raises(FileNotFoundError):  # not complete
        load_parts(tmp_path / "test")
    parts.finish()
    found = load_parts(tmp_path / "test")
    for name, values in samples.items():
        assert isinstance(found[name], np.memmap)
        np.testing.assert_array_equal(found[name], values.astype(np.float32))
    PredictionParts(tmp_path / "test").finish()  # another evaluation: the old ones are gone
    assert not (tmp_path / "test").exists()


def test_more_than_the_most_is_not_kept(tmp_path):
    parts = PredictionParts(tmp_path / "test", most_bytes=100)
    for first in (0, 5):
        parts.add(first, 10, {"loc": np.zeros((3, 5, 1))})
    parts.finish()
    assert not (tmp_path / "test").exists()


def test_what_others_have_put_there_stays(tmp_path):
    folder, foreign = tmp_path / "test", tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    foreign.mkdir()
    for name in ("loc.npy", "manifest.json"):
        (foreign / name).write_text("theirs")
    (folder / "loc.npy").symlink_to(foreign / "loc.npy")
    parts = PredictionParts(folder)
    parts.add(0, 2, {"loc": np.zeros((3, 2, 1))})
    parts.finish()
    assert load_parts(folder)["loc"].shape == (3, 2, 1)
    PredictionParts(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (tmp_path / "link").symlink_to(foreign)
    (tmp_path / "file").touch()
    for name, words in (
        ("link", "is a link or a file; move it away"),
        ("file", "is a link or a file; move it away"),
        ("elsewhere", r"has a manifest\.json of something else; move it away"),
    ):
        with pytest.raises(ValueError, match=words):
            PredictionParts(tmp_path / name)
    assert {path.read_text() for path in foreign.iterdir()} == {"theirs"}


def test_a_run_leaves_its_samples(tmp_path, monkeypatch, cheap_runs):
    monkeypatch.setattr(blocks, "_KEPT", 0)
    monkeypatch.setattr(blocks, "_BLOCK", 4 * 3 * 4 * 3)  # three examples of three samples
    done = run(tmp_path / "run", **arguments(of_values(), bnn.likelihoods.Normal()))
    kept = bnn.load_predictions(tmp_path / "run" / "predictions" / "test.npz")
    assert kept.num_examples == TEST
    assert not kept.has_samples
    found = load_parts(tmp_path / "run" / "predictions" / "test")
    assert found["loc"].shape == (3, TEST, 2)
    outputs = done.predict(done.data.x_test).numpy()
    own = outputs[..., :2] * done.data.target_scale + done.data.target_loc
    np.testing.assert_allclose(found["loc"], own, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.update(format=2),
        lambda about: about["arrays"].update(loc=[3, 11, 2]),
        lambda about: about["arrays"].update({"../loc": [3, 10, 2]}),
        lambda about: about.pop("arrays"),
    ],
)
def test_damage_is_named(tmp_path, change):
    parts = PredictionParts(tmp_path / "test")
    parts.add(0, 10, {"loc": np.zeros((3, 10, 2))})
    parts.finish()
    manifest = tmp_path / "test" / "manifest.json"
    about = json.loads(manifest.read_text())
    change(about)
    manifest.write_text(json.dumps(about))
    with pytest.raises(ValueError, match=r"test holds no readable parts of predictions \(.*again"):
        load_parts(tmp_path / "test")
