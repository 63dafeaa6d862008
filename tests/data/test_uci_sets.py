from pathlib import Path

import numpy as np
import pytest

from bnn.data import split_validation, uci, uci_num_splits


def test_a_split(uci_folder: Path):
    dataset = uci("toy", 3, uci_folder.parents[1])
    data = np.loadtxt(uci_folder / "data.txt")
    train, test = (
        np.loadtxt(uci_folder / f"index_{part}_3.txt", dtype=int) for part in ("train", "test")
    )
    assert (dataset.num_train, dataset.num_valid, dataset.num_test) == (45, 0, 5)
    assert dataset.input_shape == (3,)
    np.testing.assert_allclose(dataset.target_loc, data[train, 3:].mean(axis=0))
    np.testing.assert_allclose(dataset.to_own_units(dataset.y_test), data[test, 3:], rtol=1e-5)
    np.testing.assert_array_equal(dataset.prepare_inputs(data[test, :3]), dataset.x_test)
    assert not dataset.x_train[:, 1].any()


def test_the_validation_part_comes_from_the_training_rows(uci_folder: Path):
    root = uci_folder.parents[1]
    whole, dataset = uci("toy", 0, root), uci("toy", 0, root, validation_fraction=0.2, seed=7)
    _, valid = split_validation(45, 0.2, seed=7)
    np.testing.assert_allclose(
        dataset.to_own_units(dataset.y_valid), whole.to_own_units(whole.y_train)[valid], rtol=1e-5
    )
    np.testing.assert_allclose(dataset.y_train.std(), 1, rtol=1e-5)


def test_the_folder_may_stand_beside_the_other_sets(uci_folder: Path, monkeypatch):
    monkeypatch.setenv("BNN_DATA_DIR", str(uci_folder.parent))
    assert uci("toy", 0).num_train == 45


def test_several_targets(tmp_path: Path, write_uci):
    write_uci(tmp_path / "two", np.random.RandomState(0).normal(size=(30, 5)), num_targets=2)
    dataset = uci("two", 1, tmp_path)
    assert (dataset.input_shape, dataset.num_targets) == ((3,), 2)


def test_blank_lines_and_tabs_are_no_rows(uci_folder: Path):
    path = uci_folder / "data.txt"
    path.write_text("\n" + path.read_text().replace(" ", " \t ") + " \n\n")
    assert uci("toy", 0, uci_folder.parents[1]).num_train == 45


def test_the_number_of_splits(uci_folder: Path):
    assert uci_num_splits("toy", uci_folder.parents[1]) == 5
    (uci_folder / "n_splits.txt").write_text("0")
    with pytest.raises(ValueError, match="expected one number of at least 1"):
        uci_num_splits("toy", uci_folder.parents[1])


@pytest.mark.parametrize("split", [-1, 5, 1.0, True, "0"])
def test_a_split_out_of_range_is_refused(uci_folder: Path, split):
    message = rf"split must be an integer in \[0, 5\), because toy has 5 splits, got {split!r}"
    with pytest.raises(ValueError, match=message):
        uci("toy", split, uci_folder.parents[1])


def test_an_unknown_name_lists_the_folders(uci_folder: Path, tmp_path: Path, write_uci):
    (tmp_path / "mnist").mkdir()
    write_uci(tmp_path / "other", np.eye(20))
    with pytest.raises(FileNotFoundError, match="got 'yacht'; available: other, toy; others come"):
        uci("yacht", 0, tmp_path)
    with pytest.raises(FileNotFoundError, match="available: none"):
        uci("yacht", 0, tmp_path / "mnist")
    for name in ("", "../toy", "uci/toy"):
        with pytest.raises(ValueError, match="must be the name of a folder, without a path"):
            uci(name, 0, tmp_path)


@pytest.mark.usefixtures("no_data_dir")
def test_no_folder_is_given():
    with pytest.raises(ValueError, match="the folder that holds the UCI set yacht, got none"):
        uci("yacht", 0)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("data.txt", "1 2 3 4\n1 2 3\n", "line 2: ragged: expected 4 values as in line 1, got 3"),
        ("data.txt", "1 2 x 4\n", "line 1: expected a finite number, got 'x'"),
        ("data.txt", "1 2 nan 4\n", "line 1: expected a finite number, got 'nan'"),
        ("data.txt", "1 2 1_0 4\n", "got '1_0'"),
        ("data.txt", " \n", "data.txt: expected numbers, got an empty file"),
        ("data.txt", "version https://git-lfs", "line 1: expected a finite number, got 'version'"),
        ("data.txt", None, "data.txt: no such file"),
        ("index_features.txt", "0 1 4", "out of range: data.txt has 4 columns, .* got 4"),
        ("index_target.txt", "-1", "index out of range: .* got -1"),
        ("index_target.txt", "2", "must not overlap, got 1 shared indices, the first 2"),
        ("index_train_0.txt", "0 1 50", "out of range: data.txt has 50 rows, .* got 50"),
        ("index_train_0.txt", "0 1 1", "every index must occur once, got 1 2 times"),
        ("index_train_0.txt", "0.5 1", "expected whole numbers, got 0.5"),
        ("index_train_0.txt", None, "index_train_0.txt: no such file"),
        ("index_test_0.txt", "0 1 2 3 4 5 6 7 8 9", "index_train_0.txt and index_test_0.txt must"),
        ("n_splits.txt", "0", "n_splits.txt: expected one number of at least 1"),
        ("n_splits.txt", "5 5", r"got \[5, 5\]"),
    ],
)
def test_a_bad_file_is_named(uci_folder: Path, file: str, content: str | None, message: str):
    (uci_folder / file).unlink()
    if content is not None:
        (uci_folder / file).write_text(content)
    kind = FileNotFoundError if content is None else ValueError
    with pytest.raises(kind, match=rf"{message}.*; get the set again from https://"):
        uci("toy", 0, uci_folder.parents[1])


def test_bytes_are_no_text(uci_folder: Path):
    (uci_folder / "data.txt").write_bytes(b"\x1f\x8b\xff\xfe")
    with pytest.raises(ValueError, match=r"data.txt: expected a text file, got bytes"):
        uci("toy", 0, uci_folder.parents[1])


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("bostonHousing", 506, 13),
        ("concrete", 1030, 8),
        ("power-plant", 9568, 4),
        ("wine-quality-red", 1599, 11),
        ("yacht", 308, 6),
    ],
)
def test_real_sets(real_data, name: str, rows: int, columns: int):
    root = real_data(f"uci/{name}")
    dataset = uci(name, 0, root)
    assert dataset.input_shape == (columns,)
    assert dataset.num_train + dataset.num_test == rows
    assert dataset.num_test == round(rows / 10)
    np.testing.assert_allclose(dataset.y_train.std(), 1, rtol=1e-5)
    if name == "bostonHousing":
        raw = np.loadtxt(root / "uci" / name / "data.txt")
        test_rows = [431, 115, 470, 216, 264]
        y = dataset.to_own_units(dataset.y_test)[:5, 0]
        np.testing.assert_allclose(y, raw[test_rows, 13], rtol=1e-5)
