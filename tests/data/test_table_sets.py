"""CSV and Parquet; the closed forms are computed here from the raw columns."""

import json

import numpy as np
import pytest

from bnn.data import Scaling, csv, parquet
from tests.data.home_tables import homes, pandas, write


def test_targets_that_are_numbers_have_units(tmp_path):
    path = write(tmp_path, homes())
    for targets in (["price", "rent"], ["price", "grade"]):
        data = csv(path, targets, target_units={"price": "EUR"}, categorical=["floor"])
        assert data.target_units == {"price": "EUR"}
    for targets, units, seen in (
        (["price", "rent"], {"prize": "EUR"}, "numbers, 'price', 'rent', got 'prize'; correct"),
        (["price", "grade"], {"grade": "EUR"}, "numbers, 'price', got 'grade'; correct"),
        (["grade"], {"grade": "EUR"}, "numbers, of which there are none, got 'grade'"),
        (["price"], {"price": 3}, r"got \{'price': 3\}; correct"),
    ):
        with pytest.raises(ValueError, match=f"homes: target_units must be a dict .* {seen}"):
            csv(path, targets, target_units=units)


def test_numbers_categories_and_dates_become_features(tmp_path):
    frame = homes()
    data = csv(
        write(tmp_path, frame), ["price", "rent"], categorical=["floor"], drop=["grade"], seed=3
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
    frame = homes()
    path = write(tmp_path, frame)
    data = csv(path, "price", drop=["rent", "grade"])
    stored = json.dumps(data.scaling.to_json())
    rows = frame.iloc[data.rows("test")].drop(columns=["price", "rent", "grade"])
    other = write(tmp_path, rows, "new.csv")
    path.unlink()
    scaling = Scaling.from_json(json.loads(stored))
    forms = [rows, rows[rows.columns[::-1]], rows.to_dict("list"), rows.to_dict("records"), other]
    for raw in forms:
        np.testing.assert_array_equal(scaling.prepare_inputs(raw), data.x_test)
    assert scaling.prepare_inputs(rows.iloc[:0].to_dict("list")).shape == (0, 11)


def test_a_feature_that_counts_the_rows_is_named(tmp_path, caplog):
    path = tmp_path / "t.csv"
    lines = [f"{7 + i},{i % 5},{i * i % 11}" for i in range(30)]
    path.write_text("\n".join(["plot,size,price", *lines]))
    csv(path, targets="price")
    assert "t: column 'plot' counts the rows, 7 to 36, and is taken as a feature" in caplog.text
    assert "drop=['plot']" in caplog.text
    assert "'size'" not in caplog.text
    caplog.clear()
    csv(path, targets="price", drop=["plot"])
    assert not caplog.text


def test_missing_values_are_imputed_with_an_indicator(tmp_path):
    frame = homes()
    frame.loc[::5, "income"] = np.nan
    frame.loc[::7, "city"] = None
    frame.loc[::9, "joined"] = None
    path = write(tmp_path, frame)
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
    frame = homes()
    path = write(tmp_path, frame)
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


def test_counts_and_several_labels(tmp_path):
    frame = homes()
    frame["visits"] = np.arange(60) % 7
    frame["calls"] = np.arange(60.0) % 3
    frame["pets"], frame["lift"] = np.arange(60) % 2, np.arange(60) % 3 == 0
    path = write(tmp_path, frame)
    counts = csv(path, ["visits", "calls"], target_kinds="counts")
    assert (counts.task, counts.target_names) == ("counts", ("visits", "calls"))
    rows = counts.rows("test")
    np.testing.assert_array_equal(counts.y_test, frame[["visits", "calls"]].to_numpy()[rows])
    assert counts.y_test.dtype == np.float32
    labels = csv(path, ["pets", "lift"], target_kinds="multi_label")
    assert (labels.task, labels.target_names) == ("multi_label", ("pets", "lift"))
    np.testing.assert_array_equal(labels.y_test, frame[["pets", "lift"]].to_numpy(int)[rows])
    kinds = {"visits": "counts", "pets": "multi_label"}
    mixed = csv(path, ["visits", "pets", "price", "grade"], target_kinds=kinds)
    assert mixed.kinds == {**kinds, "price": "values", "grade": "labels"}
    np.testing.assert_array_equal(mixed.y_test["visits"], counts.y_test[:, :1])
    assert mixed.class_names == {"grade": ("bad", "good")}
    without = csv(path, ["visits", "price"], target_kinds={"visits": "counts"})
    assert without.kinds == {"visits": "counts", "price": "values"}
    np.testing.assert_allclose(
        without.to_own_units(without.y_test)["price"][:, 0], frame["price"][rows], rtol=1e-5
    )


def test_parts_by_column_and_by_file(tmp_path):
    frame = homes()
    frame["part"] = ["train"] * 40 + ["valid"] * 8 + ["test"] * 12
    frame["w"] = np.arange(60.0)
    data = csv(write(tmp_path, frame), "price", split_column="part", weights="w", drop=["grade"])
    assert data.rows("valid").tolist() == list(range(40, 48))
    np.testing.assert_array_equal(data.weights("test"), np.arange(48, 60))
    assert "part=train" not in data.feature_names
    assert "w" not in data.feature_names
    plain = frame.drop(columns=["part", "w", "grade"])
    files = csv(
        write(tmp_path, plain[:40], "a.csv"),
        "price",
        valid_path=write(tmp_path, plain[40:48], "b.csv"),
        test_path=write(tmp_path, plain[48:], "c.csv"),
    )
    for part in ("train", "valid", "test"):
        np.testing.assert_array_equal(files.part(part)[0], data.part(part)[0])
        np.testing.assert_array_equal(files.rows(part), data.rows(part))


def test_the_training_part_alone_decides(tmp_path):
    # What the test rows hold must not move a number of the training part.
    frame = homes()
    data = csv(write(tmp_path, frame), "price", drop=["grade"])
    test = data.rows("test")
    frame.loc[test, ["age", "income", "price"]] = 1e6
    frame.loc[test, "city"] = "Rome"
    other = csv(write(tmp_path, frame), "price", drop=["grade"])
    np.testing.assert_array_equal(other.x_train, data.x_train)
    np.testing.assert_array_equal(other.target_loc, data.target_loc)
    assert not np.array_equal(other.x_test, data.x_test)


def test_unseen_categories(tmp_path):
    frame = homes()
    path = write(tmp_path, frame)
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


def test_parquet_gives_the_same_set(tmp_path):
    pytest.importorskip("pyarrow", reason="needs PyArrow: pip install 'bnn[tables]'")
    frame = homes()
    frame.to_parquet(tmp_path / "homes.parquet")
    data = parquet(tmp_path / "homes.parquet", ["price"])
    np.testing.assert_allclose(data.x_test, csv(write(tmp_path, frame), "price").x_test, rtol=1e-6)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"bad.parquet: must be a Parquet file, got one that"):
        parquet(tmp_path / "bad.parquet", ["price"])
    typed = frame.assign(
        joined=pandas.to_datetime(frame["joined"]), city=frame["city"].astype("category")
    )
    typed.to_parquet(tmp_path / "typed.parquet")
    np.testing.assert_array_equal(parquet(tmp_path / "typed.parquet", "price").x_test, data.x_test)
