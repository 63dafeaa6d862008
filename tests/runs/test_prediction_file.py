import os
import re
import zipfile

import numpy as np
import pytest
from scipy.special import log_softmax

from bnn import metrics
from bnn.runs.prediction_file import Predictions, load_predictions


@pytest.fixture
def classes(rng):
    log_probs = log_softmax(3 * rng.normal(size=(4, 20, 3)), axis=-1).astype(np.float32)
    labels = rng.integers(0, 3, 20).astype(np.int32)
    return Predictions(
        task="classification",
        num_samples=4,
        targets=labels,
        losses=metrics.classification_losses(log_probs, labels),
        scores=metrics.uncertainty_scores(log_probs),
        log_probs=log_probs,
    )


@pytest.fixture
def values(rng):
    loc, targets = 300 + rng.normal(size=(4, 20, 1)), 300 + rng.normal(size=(20, 1))
    return Predictions(
        task="regression",
        num_samples=4,
        targets=targets,
        losses=metrics.regression_losses(loc, 0.5, targets),
        scores={"predictive_std": np.ones(20)},
        loc=loc.astype(np.float32),
        scale=np.full((1, 1, 1), 0.5, np.float32),
        inputs=np.linspace(-1, 1, 20),
    )


def test_what_is_written_is_read(tmp_path, classes, values):
    for kept in (classes, values):
        path = tmp_path / "new" / f"{kept.task}.npz"
        kept.save(path)
        read = load_predictions(path)
        assert (read.task, read.num_samples, read.num_examples) == (kept.task, 4, 20)
        assert read.has_samples
        for name in ("targets", "log_probs", "loc", "scale", "inputs"):
            before, after = getattr(kept, name), getattr(read, name)
            assert (before is None) == (after is None), name
            if before is not None:
                # Means and scales stand in the file in units of their own.
                exact = name not in ("loc", "scale")
                np.testing.assert_allclose(after, before, rtol=0 if exact else 1e-7)
        for before, after in ((kept.losses, read.losses), (kept.scores, read.scores)):
            assert list(after) == list(before)
            for name in before:
                np.testing.assert_array_equal(after[name], before[name])
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "classification.npz",
        "regression.npz",
    ]


def test_rows_of_the_data_are_kept(tmp_path, classes):
    path = tmp_path / "test.npz"
    classes.save(path)
    assert load_predictions(path).rows is None
    rows = np.arange(20)[::-1] + 7
    Predictions(**{**vars(classes), "rows": rows}).save(path)
    np.testing.assert_array_equal(load_predictions(path).rows, rows)


def test_means_far_from_zero_lose_nothing_that_counts(tmp_path, rng):
    """Near 1e6 with a noise of 0.05 single precision is 0.06 apart, and 0.9 nats are lost."""
    loc, targets = 1e6 + 0.1 * rng.normal(size=(4, 20, 1)), 1e6 + 0.1 * rng.normal(size=(20, 1))
    scale = np.full((1, 1, 1), 0.05)
    losses = metrics.regression_losses(loc, scale, targets)
    scores = metrics.regression_scores(loc, scale)
    path = tmp_path / "test.npz"
    Predictions("regression", 4, targets, losses, scores, loc=loc, scale=scale).save(path)
    read = load_predictions(path)
    with np.load(path) as file:
        assert file["loc"].dtype == np.float32  # no larger than before
    again = metrics.regression_losses(read.loc, read.scale, read.targets)
    np.testing.assert_allclose(again["nll"], losses["nll"], atol=1e-4)


def test_files_of_the_first_format_are_in_target_units(tmp_path, values):
    path = tmp_path / "test.npz"
    values.save(path)
    with np.load(path) as file:
        arrays = {name: array for name, array in file.items() if not name.startswith("unit_")}
    arrays |= {"format": 1, "loc": values.loc, "scale": values.scale}
    np.savez(path, **arrays)
    read = load_predictions(path)
    np.testing.assert_array_equal(read.loc, values.loc)
    np.testing.assert_array_equal(read.scale, values.scale)


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path, classes):
    foreign = tmp_path / "foreign"
    foreign.write_text("mine")
    (tmp_path / f".test.npz.{os.getpid()}.tmp").symlink_to(foreign)
    classes.save(tmp_path / "test.npz")
    assert foreign.read_text() == "mine"
    load_predictions(tmp_path / "test.npz")


def test_half_precision_where_only_that_fits(tmp_path, classes):
    path = tmp_path / "test.npz"
    classes.save(path, max_bytes=2 * classes.log_probs.size)
    with np.load(path) as file:
        assert file["log_probs"].dtype == np.float16
    read = load_predictions(path)
    np.testing.assert_allclose(read.log_probs, classes.log_probs, rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(read.losses["nll"], classes.losses["nll"])  # exact all the same
    assert metrics.nll(read.log_probs, read.targets) == pytest.approx(
        classes.losses["nll"].mean(), rel=1e-3
    )


def test_a_probability_of_zero_survives_half_precision(tmp_path, classes):
    certain = classes.log_probs.copy()
    certain[:, 0] = [0.0, -np.inf, -np.inf]
    path = tmp_path / "test.npz"
    Predictions(**{**vars(classes), "log_probs": certain}).save(path, 2 * certain.size)
    read = load_predictions(path).log_probs
    assert np.exp(read[:, 0, 1:]).max() == 0.0
    metrics.predictive_entropy(read)


def test_samples_are_left_out_where_nothing_fits(tmp_path, classes, values):
    for kept in (classes, values):
        path = tmp_path / f"{kept.task}.npz"
        kept.save(path, max_bytes=100)
        read = load_predictions(path)
        assert not read.has_samples
        assert read.num_samples == 4
        np.testing.assert_array_equal(read.losses["nll"], kept.losses["nll"])


def test_means_are_never_halved(tmp_path, values):
    """Three digits of 300 ± 0.5 would change the likelihood."""
    values.save(tmp_path / "test.npz", max_bytes=2 * 81)
    assert not load_predictions(tmp_path / "test.npz").has_samples


def test_a_failed_write_leaves_the_old_file(tmp_path, classes, monkeypatch):
    path = tmp_path / "test.npz"
    classes.save(path)
    before = path.read_bytes()

    def broken(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="disk full"):
        classes.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["test.npz"]


def test_another_suffix(tmp_path, classes):
    with pytest.raises(ValueError, match=r"path must end in '\.npz', got '.*test\.npy'"):
        classes.save(tmp_path / "test.npy")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_predictions(tmp_path / "test.npz")


def write_pickle(path):
    np.savez(path, format=1, targets=np.array([{"an": "object"}], dtype=object))


def changed(path, **changes):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, **changes})


def nonsense(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("format.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': ((((\n   ")


DAMAGED = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "text": lambda path: path.write_text("hello"),
    "empty": lambda path: path.write_bytes(b""),
    "pickle": write_pickle,
    "no task": lambda path: np.savez(path, format=1, targets=np.zeros(3)),
    "another task": lambda path: changed(path, task="ranking"),
    "no samples": lambda path: changed(path, num_samples=0),
    "half a number": lambda path: changed(path, num_samples=1.5),
    "losses of others": lambda path: changed(path, **{"loss/nll": np.zeros(7)}),
    "a matrix of scores": lambda path: changed(path, **{"score/entropy": np.zeros((20, 2))}),
    "other targets": lambda path: changed(path, targets=np.zeros(7, np.int32)),
    "fewer samples": lambda path: changed(path, num_samples=3),
    "words": lambda path: changed(path, **{"loss/nll": np.full(20, "a")}),
    "a header of nonsense": lambda path: nonsense(path),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file(tmp_path, classes, damage):
    path = tmp_path / "test.npz"
    classes.save(path)
    DAMAGED[damage](path)
    message = rf"^{re.escape(str(path))} is no readable file of predictions \(.*\); run the "
    with pytest.raises(ValueError, match=message):
        load_predictions(path)


def test_another_format(tmp_path):
    path = tmp_path / "test.npz"
    np.savez(path, targets=np.zeros(3))
    with pytest.raises(ValueError, match=r"the format must be 2, got none; run the experiment"):
        load_predictions(path)
    np.savez(path, format=3)
    with pytest.raises(ValueError, match=r"the format must be 2, got 3; run the experiment"):
        load_predictions(path)
