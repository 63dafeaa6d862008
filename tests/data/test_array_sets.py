from pathlib import Path

import numpy as np
import pytest

from bnn.data import Scaling, arrays, split_validation, training_batches


@pytest.fixture
def table() -> dict[str, np.ndarray]:
    random = np.random.RandomState(0)
    return {"x": random.normal(5, 3, (50, 4)), "y": random.normal(-1, 9, 50)}


def _save(path: Path, arrays_: dict) -> Path:
    np.savez(path / "toy.npz", **arrays_)
    return path / "toy.npz"


def _folder(path: Path, arrays_: dict) -> Path:
    for name, values in arrays_.items():
        file = path / "toy" / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, values)
    return path / "toy"


@pytest.mark.parametrize("save", [_save, _folder])
def test_one_table_is_split_and_standardised_by_its_training_part(tmp_path, table, save):
    data = arrays(
        save(tmp_path, table), test_fraction=0.2, validation_fraction=0.25, standardize="columns"
    )
    assert (data.name, data.num_train, data.num_valid, data.num_test) == ("toy", 30, 10, 10)
    rows = np.concatenate([data.rows(part) for part in ("train", "valid", "test")])
    assert sorted(rows) == list(range(50))
    train = data.rows("train")
    np.testing.assert_allclose(data.input_loc, table["x"][train].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(data.target_scale, table["y"][train].std(), rtol=1e-12)
    own = data.to_own_units(data.y_test)[:, 0]
    np.testing.assert_allclose(own, table["y"][data.rows("test")], rtol=1e-5, atol=1e-5)
    prepared = data.prepare_inputs(table["x"][data.rows("valid")])
    np.testing.assert_array_equal(prepared, data.x_valid)


def test_parts_of_their_own_with_weights_and_nests(tmp_path):
    random = np.random.RandomState(0)
    stored = {}
    for part, count in (("train", 12), ("test", 5)):
        stored[f"x_{part}/image"] = random.randint(0, 256, (count, 3, 3, 1)).astype(np.uint8)
        stored[f"x_{part}/tokens"] = random.randint(0, 9, (count, 4))
        stored[f"y_{part}"] = np.arange(count) % 3
        stored[f"weights_{part}"] = random.uniform(size=count)
    data = arrays(_save(tmp_path, stored), validation_fraction=0.25, seed=3, standardize="all")
    train, valid = split_validation(12, 0.25, seed=3)
    assert data.num_classes == 3
    assert data.x_train["tokens"].dtype == np.int32
    pixels = stored["x_train/image"].astype(np.float32) / 255
    loc, scale = pixels[train].mean(dtype=float), pixels[train].std(dtype=float)
    np.testing.assert_allclose(data.x_valid["image"], (pixels[valid] - loc) / scale, atol=1e-5)
    np.testing.assert_array_equal(data.x_valid["tokens"], stored["x_train/tokens"][valid])
    np.testing.assert_allclose(data.weights("train"), stored["weights_train"][train], rtol=1e-6)
    np.testing.assert_array_equal(data.y_test, stored["y_test"])


def test_without_standardising_bytes_become_pixels(tmp_path):
    images = np.arange(2 * 4).reshape(8, 1).astype(np.uint8)
    data = arrays(_save(tmp_path, {"x": images, "y": np.arange(8) % 2}), test_fraction=0.25)
    np.testing.assert_array_equal(data.x_train, images[data.rows("train")].astype(np.float32) / 255)
    assert data.input_loc is None


def test_several_targets_and_kinds(tmp_path):
    random = np.random.RandomState(0)
    stored = {
        "x": random.normal(size=(20, 2)).astype(np.float32),
        "y/price": random.normal(30, 5, (20, 1)),
        "y/sales": random.poisson(3, (20, 2)),
        "y/colour": np.arange(20) % 4,
    }
    data = arrays(_save(tmp_path, stored), target_kinds={"sales": "counts"})
    assert data.kinds == {"colour": "labels", "price": "values", "sales": "counts"}
    assert data.num_classes == {"colour": 4}
    np.testing.assert_array_equal(data.y_test["sales"], stored["y/sales"][data.rows("test")])
    own = data.to_own_units({"price": data.y_train["price"]})["price"]
    np.testing.assert_allclose(own, stored["y/price"][data.rows("train")], rtol=1e-5)


def test_float64_is_standardised_before_it_is_rounded(tmp_path):
    x = 1e9 + np.random.RandomState(0).normal(size=(40, 2))
    data = arrays(
        _save(tmp_path, {"x": x, "y": x[:, 0] - 1e9}), standardize="columns", test_fraction=0.5
    )
    own = x[data.rows("train")]
    np.testing.assert_allclose(data.x_train, (own - own.mean(0)) / own.std(0), atol=1e-5)


def test_large_arrays_are_read_in_blocks_to_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("bnn.data.npy_files._BLOCK", 100)
    monkeypatch.setattr("bnn.data.memory._BLOCK", 7)
    random = np.random.RandomState(0)
    table = {"x": random.normal(5, 3, (50, 4)), "y": random.normal(-1, 9, 50)}
    small = arrays(_save(tmp_path, table), standardize="columns")
    monkeypatch.undo()
    whole = arrays(_save(tmp_path, table), standardize="columns")
    np.testing.assert_allclose(small.x_train, whole.x_train, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(small.rows("test"), whole.rows("test"))
    assert small.fingerprint != "" != whole.fingerprint


def _changed(table: dict, **changes) -> dict:
    return {k: v for k, v in {**table, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "must hold targets y for the inputs x, .* got 50 rows in x; pair them"),
        ({"y": np.zeros(49)}, "got 50 rows in x, 49 rows in y; pair them"),
        ({"x": None}, "must hold x and y, or x_train, y_train, x_test and y_test, got y; name"),
        ({"x_train": np.zeros((2, 4))}, "not both, got x, x_train, y; leave one form out"),
        ({"y": np.full(50, np.nan)}, "y_train must be finite, got nan in row 0"),
        ({"y": np.full(50, 3.5)}, "targets in y_train must vary, got 3.5 in all 40 training rows"),
        ({"y": np.array(["a"] * 50)}, "y_train must hold numbers, got <U1; number the classes"),
        ({"x": np.asfortranarray(np.zeros((50, 4)))}, "in C order, got shape .* Fortran order"),
        ({"x": np.array(3.0)}, r"must hold an array \[N, ...\] in C order, got shape \(\)"),
        ({"x": np.array([None] * 50)}, "must hold numbers, got pickled objects, .* run code"),
        ({"x": np.full((50, 4), np.inf)}, "x_train must be finite, got inf"),
    ],
)
def test_bad_arrays_are_named(tmp_path, table, changes, message):
    with pytest.raises(ValueError, match=message):
        arrays(_save(tmp_path, _changed(table, **changes)))


def test_labels_beyond_the_training_classes_are_named(tmp_path):
    x, y = np.zeros((6, 2)), np.arange(6) % 3
    stored = {"x_train": x, "y_train": y, "x_test": x, "y_test": y + 1}
    message = r"labels in y_test must lie in \[0, 3\), got 3 in row 2 \(2 such rows\)"
    with pytest.raises(ValueError, match=message):
        arrays(_save(tmp_path, stored))
    assert arrays(_save(tmp_path, stored), num_classes=4).num_classes == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"standardize": "rows"}, "standardize must be 'columns', 'all' or None, got 'rows'"),
        ({"test_fraction": 1.0}, r"test_fraction must be a share in \[0, 1\), got 1.0"),
        ({"test_fraction": 0.001}, "test_fraction must hold out at least one of the 50 rows"),
        ({"seed": -1}, "seed must be an integer"),
    ],
)
def test_bad_arguments_are_named(tmp_path, table, arguments, message):
    with pytest.raises(ValueError, match=message):
        arrays(_save(tmp_path, table), **arguments)


def test_bad_files_are_named(tmp_path, table):
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such .npz file or folder"):
        arrays(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"must hold arrays in .npy files, got none"):
        arrays(tmp_path)
    (tmp_path / "text.npz").write_text("x, y")
    with pytest.raises(ValueError, match=r"text.npz: must be a .npz archive"):
        arrays(tmp_path / "text.npz")
    folder = _folder(tmp_path, table)
    whole = (folder / "x.npy").read_bytes()
    (folder / "x.npy").write_bytes(whole[:-1000])
    message = r"x.npy: truncated: the header says \(50, 4\) values of float64, .* row 18"
    with pytest.raises(ValueError, match=message):
        arrays(folder)
    (folder / "x.npy").write_bytes(b"garbage" * 10)
    with pytest.raises(ValueError, match=r"x.npy: damaged header"):
        arrays(folder)
    path = _save(tmp_path, table)
    content = bytearray(path.read_bytes())
    content[400] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"toy.npz, x.npy: damaged \(Bad CRC-32"):
        arrays(path)


@pytest.mark.parametrize("standardize", [None, "columns", "all"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_a_streamed_table_gives_the_batches_of_the_resident_one(tmp_path, standardize, dtype):
    random = np.random.RandomState(0)
    x = random.uniform(0, 200, (80, 5)).astype(dtype)
    x[:, 3] = 7
    table = {"x": x, "y": random.normal(size=(80, 2)), "weights": random.uniform(size=80)}
    folder = _folder(tmp_path, table)
    given = {"standardize": standardize, "validation_fraction": 0.1}
    resident, streamed = arrays(folder, **given), arrays(folder, stream=True, **given)
    assert (streamed.num_train, len(streamed.x_train)) == (58, 0)
    for step in (0, 9):
        one, other = (training_batches(data, 7, 3).at(step) for data in (resident, streamed))
        np.testing.assert_allclose(one.inputs, other.inputs, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_allclose(streamed.x_test, resident.x_test, rtol=1e-6, atol=1e-7)
    scaling = Scaling.from_json(streamed.scaling.to_json())
    raw = x[resident.rows("test")].astype(np.float64)
    raw = raw / np.float32(255) if dtype == np.uint8 else raw
    np.testing.assert_allclose(scaling.prepare_inputs(raw), resident.x_test, atol=1e-5)


def test_an_archive_cannot_be_streamed(tmp_path, table):
    with pytest.raises(ValueError, match=r"to stream, arrays must be .npy files in a folder, got"):
        arrays(_save(tmp_path, table), stream=True)
