"""CSV and Parquet; the closed forms are computed here from the raw columns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnn.data import Scaling, csv, parquet

pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")


def _frame(count: int = 60) -> Any:
    random = np.random.RandomState(0)
    return pandas.DataFrame(
        {
            "age": random.randint(18, 90, count),
            "income": random.normal(3e4, 1e4, count),
            "city": random.choice(["Rome", "Oslo", "Bonn"], count),
            "joined": pandas.date_range("2020-01-01", periods=count, freq="11D").strftime(
                "%Y-%m-%d"
            ),
            "floor": random.randint(0, 3, count),
            "price": random.normal(200.0, 50.0, count),
            "rent": random.normal(10.0, 2.0, count),
            "grade": random.choice(["good", "bad"], count),
        }
    )


def _write(path: Path, frame: Any, name: str = "homes.csv") -> Path:
    frame.to_csv(path / name, index=False)
    return path / name


def test_numbers_categories_and_dates_become_features(tmp_path):
    frame = _frame()
    data = csv(
        _write(tmp_path, frame), ["price", "rent"], categorical=["floor"], drop=["grade"], seed=3
    )
    assert (data.name, data.num_train, data.num_valid, data.num_test) == ("homes", 48, 0, 12)
    assert data.feature_names == (
        "age", "income", "city=Bonn", "city=Oslo", "city=Rome", "joined_days", "joined_year_sin",
        "joined_year_cos", "joined_week_sin", "joined_week_cos", "floor=0", "floor=1", "floor=2",
    )  # fmt: skip
    assert data.target_names == ("price", "rent")
    rows = data.rows("train")
    train = frame.iloc[rows]
    column = dict(zip(data.feature_names, data.x_train.T, strict=True))
    income = train["income"].to_numpy()
    np.testing.assert_allclose(column["income"], (income - income.mean()) / income.std(), atol=1e-5)
    np.testing.assert_array_equal(column["city=Rome"], train["city"] == "Rome")
    np.testing.assert_array_equal(column["floor=2"], train["floor"] == 2)
    dates = pandas.to_datetime(train["joined"])
    day = (dates - pandas.Timestamp("1970-01-01")).dt.days.to_numpy()
    np.testing.assert_allclose(column["joined_days"], (day - day.mean()) / day.std(), atol=1e-5)
    # 1970-01-01 was a Thursday, day 3.
    weekday = 2 * np.pi * (np.array([date.weekday() for date in dates.dt.date]) - 3) / 7
    np.testing.assert_allclose(column["joined_week_sin"], np.sin(weekday), atol=1e-5)
    own = data.to_own_units(data.y_test)
    test = frame.iloc[data.rows("test")]
    np.testing.assert_allclose(own, test[["price", "rent"]], rtol=1e-5)
    np.testing.assert_allclose(data.scaling.by_name(data.y_test)["rent"], test["rent"], rtol=1e-5)


def test_a_stored_scaling_prepares_every_form_of_the_rows_without_the_file(tmp_path):
    frame = _frame()
    path = _write(tmp_path, frame)
    data = csv(path, "price", drop=["rent", "grade"])
    stored = json.dumps(data.scaling.to_json())
    rows = frame.iloc[data.rows("test")].drop(columns=["price", "rent", "grade"])
    other = _write(tmp_path, rows, "new.csv")
    path.unlink()
    scaling = Scaling.from_json(json.loads(stored))
    forms = [rows, rows[rows.columns[::-1]], rows.to_dict("list"), rows.to_dict("records"), other]
    for raw in forms:
        np.testing.assert_array_equal(scaling.prepare_inputs(raw), data.x_test)
    assert scaling.prepare_inputs(rows.iloc[:0].to_dict("list")).shape == (0, 11)


def test_missing_values_are_imputed_with_an_indicator(tmp_path):
    frame = _frame()
    frame.loc[::5, "income"] = np.nan
    frame.loc[::7, "city"] = None
    frame.loc[::9, "joined"] = None
    path = _write(tmp_path, frame)
    with pytest.raises(ValueError, match=r"column 'income' must have no missing .* in row 0 \(12"):
        csv(path, "price")
    data = csv(path, "price", drop=["grade", "rent"], missing="impute")
    column = dict(zip(data.feature_names, data.x_train.T, strict=True))
    train = frame.iloc[data.rows("train")]
    absent = train["income"].isna().to_numpy()
    np.testing.assert_array_equal(column["income_missing"], absent)
    np.testing.assert_array_equal(column["income"][absent], 0)
    known = train["income"].dropna().to_numpy()
    np.testing.assert_allclose(
        column["income"][~absent], (known - known.mean()) / known.std(), atol=1e-5
    )
    no_city = train["city"].isna().to_numpy()
    np.testing.assert_array_equal(column["city_missing"], no_city)
    cities = [column[f"city={city}"] for city in ("Bonn", "Oslo", "Rome")]
    np.testing.assert_array_equal(np.sum(cities, axis=0), ~no_city)
    assert "joined_missing" in column
    assert "age_missing" not in column
    raw = {c: train[c].tolist()[:4] for c in ("age", "income", "city", "joined", "floor")}
    np.testing.assert_array_equal(data.prepare_inputs(raw), data.x_train[:4])
    raw["age"][2] = None
    message = r"homes: column 'age' must have no missing values, as in the training .* in row 2"
    with pytest.raises(ValueError, match=message):
        data.prepare_inputs(raw)


def test_classes_and_mixed_targets(tmp_path):
    frame = _frame()
    path = _write(tmp_path, frame)
    data = csv(path, "grade")
    assert data.task == "classification"
    assert data.class_names == ("bad", "good")
    test = frame.iloc[data.rows("test")]
    np.testing.assert_array_equal(data.y_test, test["grade"] == "good")
    mixed = csv(path, ["grade", "price", "floor"], categorical=["floor"])
    assert mixed.tasks == {
        "grade": "classification",
        "price": "regression",
        "floor": "classification",
    }
    assert mixed.class_names == {"grade": ("bad", "good"), "floor": ("0", "1", "2")}
    own = mixed.to_own_units({"price": mixed.y_test["price"]})["price"][:, 0]
    np.testing.assert_allclose(own, frame["price"].iloc[mixed.rows("test")], rtol=1e-5)
    assert Scaling.from_json(mixed.scaling.to_json()).targets["floor"].names == ("0", "1", "2")


def test_parts_by_column_and_by_file(tmp_path):
    frame = _frame()
    frame["part"] = ["train"] * 40 + ["valid"] * 8 + ["test"] * 12
    frame["w"] = np.arange(60.0)
    data = csv(_write(tmp_path, frame), "price", split_column="part", weights="w", drop=["grade"])
    assert data.rows("valid").tolist() == list(range(40, 48))
    np.testing.assert_array_equal(data.weights("test"), np.arange(48, 60))
    assert "part=train" not in data.feature_names
    assert "w" not in data.feature_names
    plain = frame.drop(columns=["part", "w", "grade"])
    files = csv(
        _write(tmp_path, plain[:40], "a.csv"),
        "price",
        valid_path=_write(tmp_path, plain[40:48], "b.csv"),
        test_path=_write(tmp_path, plain[48:], "c.csv"),
    )
    for part in ("train", "valid", "test"):
        np.testing.assert_array_equal(files.part(part)[0], data.part(part)[0])
        np.testing.assert_array_equal(files.rows(part), data.rows(part))


def test_the_training_part_alone_decides(tmp_path):
    # What the test rows hold must not move a number of the training part.
    frame = _frame()
    data = csv(_write(tmp_path, frame), "price", drop=["grade"])
    test = data.rows("test")
    frame.loc[test, ["age", "income", "price"]] = 1e6
    frame.loc[test, "city"] = "Rome"
    other = csv(_write(tmp_path, frame), "price", drop=["grade"])
    np.testing.assert_array_equal(other.x_train, data.x_train)
    np.testing.assert_array_equal(other.target_loc, data.target_loc)
    assert not np.array_equal(other.x_test, data.x_test)


def test_unseen_categories(tmp_path):
    frame = _frame()
    path = _write(tmp_path, frame)
    data = csv(path, "price", drop=["grade", "rent"])
    new = frame.iloc[:3].drop(columns=["price"]).assign(city=["Oslo", "Paris", "Rome"])
    message = (
        r"homes: column 'city' must hold a category of the training part \('Bonn', 'Oslo', 'Rome'"
        r"\), got 'Paris' in row 1, which was never seen; .* unseen='zeros'"
    )
    with pytest.raises(ValueError, match=message):
        data.prepare_inputs(new)
    lenient = csv(path, "price", drop=["grade", "rent"], unseen="zeros")
    place = lenient.feature_names.index("city=Bonn")
    assert lenient.prepare_inputs(new)[:, place : place + 3].tolist() == [
        [0, 1, 0],
        [0, 0, 0],
        [0, 0, 1],
    ]


def test_rows_at_prediction_that_do_not_fit(tmp_path):
    frame = _frame()
    data = csv(_write(tmp_path, frame), "price", drop=["grade", "rent"])
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
    twice = pandas.concat([new, new[["age"]]], axis=1)
    with pytest.raises(
        ValueError, match="homes: column names must differ, got 'age' more than onc"
    ):
        data.prepare_inputs(twice)


def _changed(change) -> Any:
    frame = _frame()
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
        csv(_write(tmp_path, _changed(change)), targets, **limit)


def test_a_class_that_only_the_test_part_has(tmp_path):
    frame = _frame()
    frame["part"] = ["train"] * 50 + ["test"] * 10
    frame.loc[55, "grade"] = "ugly"
    message = r"must hold the classes of the training part, 'bad', 'good', got 'ugly' in row 55 \(1"
    with pytest.raises(ValueError, match=message):
        csv(_write(tmp_path, frame), "grade", split_column="part")


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
        ({"separator": "--"}, "separator must be one character, such as ';', got '--'"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, message):
    path = _write(tmp_path, _frame())
    with pytest.raises(ValueError, match=message):
        csv(path, **{"targets": "price", **arguments})


def test_a_split_column_without_test_rows(tmp_path):
    frame = _frame().assign(part="train")
    with pytest.raises(ValueError, match="must leave rows in the part 'test', got none of 60"):
        csv(_write(tmp_path, frame), "price", split_column="part")


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
    first = _write(tmp_path, _frame())
    other = _write(tmp_path, _frame().rename(columns={"age": "years"}), "b.csv")
    with pytest.raises(ValueError, match=r"the test file must have .* differs in 'age', 'years'"):
        csv(first, "price", test_path=other)


def test_parquet_gives_the_same_set(tmp_path):
    pytest.importorskip("pyarrow", reason="needs PyArrow: pip install 'bnn[tables]'")
    frame = _frame()
    frame.to_parquet(tmp_path / "homes.parquet")
    data = parquet(tmp_path / "homes.parquet", ["price"])
    np.testing.assert_allclose(data.x_test, csv(_write(tmp_path, frame), "price").x_test, rtol=1e-6)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"bad.parquet: must be a Parquet file, got one that"):
        parquet(tmp_path / "bad.parquet", ["price"])
    typed = frame.assign(
        joined=pandas.to_datetime(frame["joined"]), city=frame["city"].astype("category")
    )
    typed.to_parquet(tmp_path / "typed.parquet")
    np.testing.assert_array_equal(parquet(tmp_path / "typed.parquet", "price").x_test, data.x_test)


def test_without_pandas(tmp_path, monkeypatch):
    path = _write(tmp_path, _frame())
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match=r"reading homes.csv needs pandas.*'bnn\[tables\]'"):
        csv(path, "price")
