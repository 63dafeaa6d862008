"""Tables as people have them: taken rightly, or refused by name with the remedy."""

import datetime
import decimal
import json

import numpy as np
import pytest

from bnn.data import Scaling, csv, parquet

pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'bnn[tables]'")


def written(tmp_path, text, encoding="utf-8", name="odd.csv"):
    (tmp_path / name).write_bytes(text.encode(encoding))
    return tmp_path / name


def rows(head, line, count=20):
    return "\n".join([head, *(line(i) for i in range(count))]) + "\n"


def column(data, name):
    """All parts' values of a feature in the file's order."""
    place = data.feature_names.index(name)
    out = np.empty(data.num_train + data.num_test)
    for part in ("train", "test"):
        out[data.rows(part)] = data.part(part)[0][:, place]
    return out


def standardised(data, values):
    train = np.asarray(values, float)[data.rows("train")]
    return (np.asarray(values, float) - train.mean()) / train.std()


PLAIN = rows("a,b,y", lambda i: f"{i},{i % 3},{i * 0.5}")
# Name: the same table in other clothes, and what has to be said to read it.
TAKEN = {
    "a byte order mark": (PLAIN, {"encoding": "utf-8-sig"}, {}),
    "carriage returns": (PLAIN.replace("\n", "\r\n"), {}, {}),
    "every value in quotes": (
        rows('"a","b","y"', lambda i: f'"{i}","{i % 3}","{i * 0.5}"'),
        {},
        {},
    ),
    "semicolons": (PLAIN.replace(",", ";"), {}, {"separator": ";"}),
    "decimal commas": (
        PLAIN.replace(",", ";").replace(".", ","),
        {},
        {"separator": ";", "decimal": ","},
    ),
    "empty lines": (PLAIN.replace("\n", "\n\n"), {}, {}),
}


@pytest.mark.parametrize("case", TAKEN)
def test_the_same_table_in_other_clothes(tmp_path, case):
    text, encoding, options = TAKEN[case]
    want = csv(written(tmp_path, PLAIN, name="plain.csv"), "y", name="odd")
    path = written(tmp_path, text, **encoding)
    found = csv(path, "y", **options)
    assert found.feature_names == want.feature_names == ("a", "b")
    for part in ("train", "test"):
        for one, other in zip(found.part(part), want.part(part), strict=True):
            np.testing.assert_array_equal(one, other)
    # What a run keeps reads a file of that form again.
    scaling = Scaling.from_json(json.loads(json.dumps(found.scaling.to_json())))
    np.testing.assert_array_equal(scaling.prepare_inputs(path)[found.rows("test")], want.x_test)


def test_thousands_are_read_where_it_is_said(tmp_path):
    path = written(tmp_path, rows("a;y", lambda i: f"{1 + i}.{i:03},5;{i}"))
    data = csv(path, "y", separator=";", decimal=",", thousands=".")
    values = [1000.0 * (1 + i) + i + 0.5 for i in range(20)]
    np.testing.assert_allclose(column(data, "a"), standardised(data, values), atol=1e-5)


def test_quoted_newlines_and_names_of_any_script(tmp_path):
    text = rows('"größe\n(m²)",街,y', lambda i: f'{i},"{"ab"[i % 2]}\n{i % 2}",{i}')
    data = csv(written(tmp_path, text), "y")
    assert data.feature_names == ("größe\n(m²)", "街=a\n0", "街=b\n1")


def test_booleans_are_numbers_and_as_targets_classes(tmp_path):
    path = written(tmp_path, rows("a,b,y", lambda i: f"{i},{i % 2 == 0},{i % 3 == 0}"))
    data = csv(path, "y")
    np.testing.assert_allclose(
        column(data, "b"), standardised(data, [i % 2 == 0 for i in range(20)]), atol=1e-6
    )
    assert data.class_names == ("False", "True")
    pytest.importorskip("pyarrow", reason="needs PyArrow: pip install 'bnn[tables]'")
    frame = pandas.read_csv(path).astype({"y": "boolean"})
    frame.to_parquet(tmp_path / "odd.parquet")
    assert parquet(tmp_path / "odd.parquet", "y").class_names == ("False", "True")


def test_dates_with_zones_are_one_clock(tmp_path):
    # One moment a row, told by the clocks of different places.
    begin = datetime.datetime(2024, 3, 30, 22, tzinfo=datetime.timezone.utc)
    moments = [begin + datetime.timedelta(hours=7 * i) for i in range(20)]
    zones = [datetime.timezone(datetime.timedelta(minutes=m)) for m in (0, 120, -210)]
    told = [m.astimezone(zones[i % 3]).isoformat() for i, m in enumerate(moments)]
    plain = [m.replace(tzinfo=None).isoformat() for m in moments]
    one = csv(written(tmp_path, rows("t,y", lambda i: f"{told[i]},{i}")), "y")
    other = csv(written(tmp_path, rows("t,y", lambda i: f"{plain[i]}Z,{i}"), name="z.csv"), "y")
    naive = csv(written(tmp_path, rows("t,y", lambda i: f"{plain[i]},{i}"), name="n.csv"), "y")
    np.testing.assert_array_equal(one.x_train, naive.x_train)
    np.testing.assert_array_equal(other.x_train, naive.x_train)
    assert one.feature_names[0] == "t_days"
    raw = {"t": [m.astimezone(zones[i % 3]) for i, m in enumerate(moments)]}
    np.testing.assert_array_equal(one.prepare_inputs(raw)[one.rows("test")], naive.x_test)
    frame = pandas.DataFrame({"t": pandas.to_datetime(plain).tz_localize("UTC")})
    berlin = frame.assign(t=frame["t"].dt.tz_convert("Europe/Berlin"))
    np.testing.assert_array_equal(one.prepare_inputs(berlin)[one.rows("test")], naive.x_test)


def test_what_is_typed_as_categories_is_such(tmp_path):
    pytest.importorskip("pyarrow", reason="needs PyArrow: pip install 'bnn[tables]'")
    frame = pandas.DataFrame({"floor": ["0", "1", "2"] * 10, "y": np.arange(30.0)})
    frame["floor"] = frame["floor"].astype("category")
    frame.to_parquet(tmp_path / "typed.parquet")
    data = parquet(tmp_path / "typed.parquet", "y")
    assert data.feature_names == ("floor=0", "floor=1", "floor=2")
    np.testing.assert_array_equal(
        data.prepare_inputs({"floor": ["2", "0"]}), [[0, 0, 1], [1, 0, 0]]
    )


def test_missing_values_of_nullable_types(tmp_path):
    pytest.importorskip("pyarrow", reason="needs PyArrow: pip install 'bnn[tables]'")
    frame = pandas.DataFrame({"n": [1, 2, 3, None] * 5, "y": np.arange(20.0)})
    frame["n"] = frame["n"].astype("Int64")
    frame.to_parquet(tmp_path / "null.parquet")
    data = parquet(tmp_path / "null.parquet", "y", missing="impute")
    assert data.feature_names == ("n", "n_missing")
    np.testing.assert_array_equal(column(data, "n_missing"), [0, 0, 0, 1] * 5)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_numbers_whose_squares_leave_float64_are_standardised(tmp_path, unit):
    data = csv(written(tmp_path, rows("a,y", lambda i: f"{(1 + i) * unit!r},{i}")), "y")
    np.testing.assert_allclose(
        column(data, "a"), standardised(data, np.arange(1.0, 21.0)), atol=1e-5
    )


def test_categories_that_come_late_in_a_large_file_are_read_as_the_first(tmp_path):
    count = 300_000  # more than pandas reads at a time
    path = written(tmp_path, rows("c,y", lambda i: f"{i % 4 if i < 290_000 else 'x'},{i}", count))
    with pytest.raises(ValueError, match="column 'c' must hold numbers, got 'x' in row 290000; c"):
        csv(path, "y")
    assert csv(path, "y", categorical=["c"]).feature_names == ("c=0", "c=1", "c=2", "c=3", "c=x")


# Name: a file, options, and what is said.
REFUSED = {
    "semicolons read by commas": (
        PLAIN.replace(",", ";"),
        {},
        r"names the column 'y', .* are 'a;b;y'. Give the file's separator\.",
    ),
    "decimal commas as texts": (
        rows("a;y", lambda i: f"{i},5;{i}"),
        {"separator": ";"},
        r"column 'a' must .* look like numbers .*, such as '0,5'; give decimal and thousands,",
    ),
    "thousands as texts": (
        rows("a;y", lambda i: f"{i},000;{i}"),
        {"separator": ";"},
        "column 'a' must hold numbers, dates or categories, got texts that look like numbers",
    ),
    "money": (rows("a,y", lambda i: f"${i}.50,{i}"), {}, r"such as '\$0.50'; give decimal"),
    "percent": (rows("a,y", lambda i: f"{i}%,{i}"), {}, "such as '0%'; give decimal and thou"),
    "a target with thousands": (
        rows("a;y", lambda i: f"{i};{i % 2 + 1},000"),
        {"separator": ";"},
        "target column 'y' must hold numbers, dates or cat.* such as '1,000'",
    ),
    "dates of another form": (
        rows("t,y", lambda i: f"{1 + i}/05/2024,{i}"),
        {},
        r"column 't' must .* look like dates, such as '1/05/2024'; write dates as 2024-05-31",
    ),
    "one date that is none": (
        rows("t,y", lambda i: f"{'soon' if i == 4 else '2024-05-01'},{i}"),
        {},
        "column 't' must hold dates such as 2024-05-31, got 'soon' in row 4",
    ),
    "a day that does not exist": (
        rows("t,y", lambda i: f"2024-02-{1 + 2 * i:02},{i}"),
        {},
        "column 't' must hold dates such as 2024-05-31, got '2024-02-31' in row 15",
    ),
    "an index without a name": (
        rows(",a,y", lambda i: f"{i},{i},{i}"),
        {},
        r"must have a name .*, got 'Unnamed: 0' .* drop=\['Unnamed: 0'\]",
    ),
    "more values than names": (
        rows("a,y", lambda i: f"{i},{i},{i}"),
        {},
        "odd.csv: every row must have a value a name, 2 as in the first line, got rows with more",
    ),
    "a column without values": (
        rows("a,b,y", lambda i: f"{i},,{i}"),
        {"missing": "impute"},
        "column 'b' must hold a value in the training part, got missing values only; leave it",
    ),
    "one row": (
        "a,y\n1,2\n",
        {},
        "test_fraction must hold out at least one of the 1 rows",
    ),
    "a quote that does not end": (
        '"a,y\n' + "1,2\n" * 70_000,
        {},
        r"the first line must hold the column names, got what cannot be read as such \(field la",
    ),
    "numbers without an end": (
        rows("a,y", lambda i: f"{'inf' if i == 3 else i},{i}"),
        {},
        "column 'a' must hold finite numbers, got inf in row 3",
    ),
    "negative weights": (
        rows("a,w,y", lambda i: f"{i},{-1 if i == 2 else 1},{i}"),
        {"weights": "w"},
        r"weights must be at least 0, got -1.0 in row",
    ),
    "two decimal points": (PLAIN, {"decimal": ","}, "separator, decimal and thousands must dif"),
    "two characters": (PLAIN, {"thousands": ".."}, "thousands must be one character, such as '.'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_by_name(tmp_path, case):
    text, options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        csv(written(tmp_path, text), "y", **options)


def test_lookalikes_are_categories_where_they_are_named_so(tmp_path):
    path = written(tmp_path, rows("v,y", lambda i: f"1.{i % 2}.0,{i}"))
    with pytest.raises(ValueError, match=r"texts that look like dates, .*'1\.0\.0'; .* categor"):
        csv(path, "y")
    assert csv(path, "y", categorical=["v"]).feature_names == ("v=1.0.0", "v=1.1.0")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 2]] * 20, "column 'a' must hold numbers, texts or dates, got .*, '.*1.*2.*'; give"),
        ([b"a", b"b"] * 10, "column 'a' must hold numbers, texts or dates, got bytes"),
        (pandas.to_timedelta(np.arange(20), "h"), "must hold numbers, texts or dates, got durat"),
    ],
    ids=["lists", "bytes", "durations"],
)
def test_typed_columns_of_other_kinds_are_refused(tmp_path, values, message):
    pytest.importorskip("pyarrow", reason="needs PyArrow: pip install 'bnn[tables]'")
    frame = pandas.DataFrame({"a": values, "y": np.arange(20.0)})
    frame.to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(ValueError, match=message):
        parquet(tmp_path / "odd.parquet", "y")


def test_categories_of_numbers_in_a_typed_file(tmp_path, rng):
    """Parquet keeps the type in its description; pandas reads the numbers, which were features."""
    pytest.importorskip("pyarrow", reason="needs PyArrow: pip install 'bnn[tables]'")
    kind = np.arange(20) % 3 + 1
    frame = pandas.DataFrame({"kind": pandas.Categorical(kind), "a": rng.normal(size=20)})
    frame["y"] = rng.normal(size=20)
    frame.to_parquet(tmp_path / "typed.parquet")
    data = parquet(tmp_path / "typed.parquet", "y")
    assert data.feature_names == ("kind=1", "kind=2", "kind=3", "a")
    np.testing.assert_array_equal(column(data, "kind=2"), kind == 2)
    frame.assign(kind=kind).to_parquet(tmp_path / "plain.parquet")
    assert parquet(tmp_path / "plain.parquet", "y").feature_names == ("kind", "a")
    for value in (2, 2.0, np.int8(2), decimal.Decimal("2"), decimal.Decimal("2.00")):
        row = data.prepare_inputs({"kind": [value], "a": [0.0]})
        np.testing.assert_array_equal(row[0, :3], [0, 1, 0])
    with pytest.raises(ValueError, match=r"column 'kind' must hold numbers, .* got '2', a text"):
        data.prepare_inputs({"kind": ["2"], "a": [0.0]})


def test_identifiers_beyond_the_precision_of_floats_stay_apart(tmp_path):
    path = written(tmp_path, rows("id,y", lambda i: f"{2**53 + i % 2},{i}"))
    names = csv(path, "y", categorical=["id"]).feature_names
    assert names == (f"id={2**53}", f"id={2**53 + 1}")
