"""What is wrong with a table, its columns or the arguments is said by name."""

from typing import Any

import numpy as np
import pytest

from bnn.data import csv
from tests.data.home_tables import homes, pandas, write


def test_rows_at_prediction_that_do_not_fit(tmp_path):
    frame = homes()
    data = csv(write(tmp_path, frame), "price", drop=["grade", "rent"])
    new = frame.iloc[:3].drop(columns=["price", "rent"])
    with pytest.raises(
        ValueError, match=r"homes: the table must have the columns .* 'city' is mis"
    ):
        data.prepare_inputs(new.drop(columns=["city"]))
    with pytest.raises(ValueError, match="column 'age' must hold numbers, got 'old' in row 1"):
        data.prepare_inputs(new.astype(object).assign(age=[1, "old", 3]))
    with pytest.raises(
        ValueError, match=r"column 'city' must hold texts, .* got '1', a number, in"
    ):
        data.prepare_inputs(new.assign(city=[1, 2, 3]))
    with pytest.raises(
        ValueError, match=r"column 'joined' must hold dates such as .* got 'monday'"
    ):
        data.prepare_inputs(new.assign(joined=["monday"] * 3))
    with pytest.raises(ValueError, match="column 'age' must hold finite numbers, got inf in row 0"):
        data.prepare_inputs(new.assign(age=[np.inf, 1, 2]))
    with pytest.raises(
        ValueError, match="a table must be a DataFrame, a dict of columns or a list"
    ):
        data.prepare_inputs(np.zeros((3, 5)))
    with pytest.raises(
        ValueError, match=r"columns \[N\] of one length, got 'age': \(2,\), 'city':"
    ):
        data.prepare_inputs({"age": [1, 2], "city": ["Rome"]})
    rows = new.to_dict("records")
    rows[1]["citty"] = rows[1].pop("city")
    with pytest.raises(
        ValueError, match=r"but 'city' is missing in row 1, which has .*'citty'.*; give None for"
    ):
        data.prepare_inputs(rows)
    twice = pandas.concat([new, new[["age"]]], axis=1)
    with pytest.raises(
        ValueError, match="homes: column names must differ, got 'age' more than onc"
    ):
        data.prepare_inputs(twice)


def _changed(change) -> Any:
    frame = homes()
    change(frame)
    return frame


def _set(column: str, row: int, value: Any):
    def change(frame: Any) -> None:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value

    return change


@pytest.mark.parametrize(
    ("change", "targets", "message"),
    [
        (
            _set("price", 17, np.nan),
            "price",
            r"target column 'price' must have no missing .*row 17",
        ),
        (
            _set("price", 17, "dear"),
            "price",
            r"target column 'price' must hold numbers, got 'dear'",
        ),
        (_set("price", 17, np.inf), "price", r"target column 'price' must hold finite numbers"),
        (_set("grade", 5, None), "grade", r"target column 'grade' must have no missing .* row 5"),
        (
            _set("age", 9, "old"),
            "price",
            "column 'age' must hold numbers, got 'old' in row 9; corr",
        ),
        (lambda f: f.insert(0, "c", 1.5), "c", r"target column 'c' must vary, got 1.5 in all 48"),
        (
            lambda f: f.insert(0, "c", "a"),
            "c",
            r"target column 'c' must have 2 to 100 classes .* got 1, 'a' in every",
        ),
        (
            lambda f: f.insert(0, "id", [f"n{i}" for i in range(60)]),
            "price",
            "column 'id' must have 1 to 30 categories in the training part, got 48; leave it out",
        ),
    ],
)
def test_bad_values_are_named(tmp_path, change, targets, message):
    limit = {"max_categories": 30} if "30" in message else {}
    with pytest.raises(ValueError, match=f"homes: {message}"):
        csv(write(tmp_path, _changed(change)), targets, **limit)


def test_a_class_that_only_the_test_part_has(tmp_path):
    frame = homes()
    frame["part"] = ["train"] * 50 + ["test"] * 10
    frame.loc[55, "grade"] = "ugly"
    message = r"must hold the classes of the training part, 'bad', 'good', got 'ugly' in row 55 \(1"
    with pytest.raises(ValueError, match=message):
        csv(write(tmp_path, frame), "grade", split_column="part")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"targets": "cost"},
            "targets names the column 'cost', which the table does not have; its",
        ),
        ({"drop": ["x"]}, "drop names the column 'x'"),
        ({"targets": []}, "targets must name a column at least, got none"),
        (
            {"drop": ["price"]},
            "is a target, the weights, .* got 'price' as two of them; name it on",
        ),
        ({"missing": "mean"}, "missing must be one of 'refuse', 'impute', got 'mean'"),
        ({"unseen": "new"}, "unseen must be one of 'refuse', 'zeros', got 'new'"),
        ({"test_fraction": 0.0}, "the test part must hold a row, got none; give a larger share"),
        ({"test_fraction": 0.001}, "test_fraction must hold out at least one of the 60 rows"),
        ({"validation_fraction": 2}, "validation_fraction must be a share"),
        (
            {"split_column": "city"},
            r"split column 'city' must hold train, valid, test, got '\w+' in",
        ),
        (
            {"target_kinds": "labels"},
            "must be 'values', 'counts' or 'multi_label', .* got 'labels'",
        ),
        (
            {"target_kinds": {"age": "counts"}},
            "must name targets that are no classes, 'price', got 'age'; correct the name",
        ),
        (
            {"targets": ["floor"], "categorical": ["floor"], "target_kinds": "counts"},
            "must name targets that are no classes, of which there are none, got 'floor'",
        ),
        (
            {"target_kinds": "counts"},
            r"target column 'price' must hold whole numbers of at least 0, as counts, got [\d.]+",
        ),
        (
            {"targets": "floor", "target_kinds": "multi_label"},
            r"target column 'floor' must hold 0 or 1, as multi_label, got 2\.0 in row",
        ),
        ({"separator": "--"}, "separator must be one character, such as ';', got '--'"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, message):
    path = write(tmp_path, homes())
    with pytest.raises(ValueError, match=message):
        csv(path, **{"targets": "price", **arguments})


def test_a_split_column_without_test_rows(tmp_path):
    frame = homes().assign(part="train")
    with pytest.raises(ValueError, match="must leave rows in the part 'test', got none of 60"):
        csv(write(tmp_path, frame), "price", split_column="part")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,a\n1,2,3\n", "column names must differ, got 'a' more than once; rename"),
        ("a,b\n1,2\n1,2,3\n", "homes.csv, line 3: expected 2 values as in the first line, got 3"),
        ("", "homes.csv: must hold column names and rows, got nothing"),
        ("a,b\n", "homes.csv: must hold rows, got none under the column names"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    (tmp_path / "homes.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        csv(tmp_path / "homes.csv", "a")


def test_other_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no.csv: no such file; correct the path"):
        csv(tmp_path / "no.csv", "a")
    (tmp_path / "bytes.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(ValueError, match=r"bytes.csv: must be text in UTF-8, got bytes"):
        csv(tmp_path / "bytes.csv", "a")
    first = write(tmp_path, homes())
    other = write(tmp_path, homes().rename(columns={"age": "years"}), "b.csv")
    with pytest.raises(ValueError, match=r"the test file must have .* differs in 'age', 'years'"):
        csv(first, "price", test_path=other)


def test_without_pandas(tmp_path, monkeypatch):
    path = write(tmp_path, homes())
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match=r"reading homes.csv needs pandas.*'bnn\[tables\]'"):
        csv(path, "price")
