"""Arrays of odd types and orders: taken rightly, or refused by name."""

import numpy as np
import pytest

from bnn.data import ExampleError, arrays, regression_dataset, streamed_dataset

X = np.random.RandomState(0).normal(size=(20, 3))
Y = np.arange(20) % 3


def saved(tmp_path, **given):
    np.savez(tmp_path / "odd.npz", **{"x": X, "y": Y, **given})
    return tmp_path / "odd.npz"


def same(one, other):
    for part in ("train", "test"):
        for a, b in zip(one.part(part), other.part(part), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


ALIKE = {
    "big-endian": {"x": X.astype(">f8"), "y": Y.astype(">i8")},
    "big-endian, single": {"x": X.astype(">f4")},
    "bytes as labels": {"y": Y.astype(np.uint8)},
    "Fortran order of one axis": {"y": np.asfortranarray(Y)},
    "every second row": {"x": np.repeat(X, 2, axis=0)[::2]},
    "long double": {"x": X.astype(np.longdouble)},
}


@pytest.mark.parametrize("case", ALIKE)
@pytest.mark.parametrize("standardize", [None, "columns"])
def test_the_same_numbers_in_other_types(tmp_path, case, standardize):
    plain, odd = tmp_path / "plain", tmp_path / "odd"
    plain.mkdir()
    odd.mkdir()
    want = arrays(saved(plain), standardize=standardize)
    same(arrays(saved(odd, **ALIKE[case]), standardize=standardize), want)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, ">f4"])
def test_weights_of_any_type_are_weights(tmp_path, dtype):
    data = arrays(saved(tmp_path, weights=(1 + Y).astype(dtype)))
    want = (1 + Y).astype(dtype).astype(np.float32)
    for part in ("train", "test"):
        np.testing.assert_array_equal(data.weights(part), want[data.rows(part)])


def test_booleans_as_labels(tmp_path):
    data = arrays(saved(tmp_path, y=Y > 0))
    assert (data.task, data.num_classes) == ("classification", 2)
    np.testing.assert_array_equal(data.y_test, (Y > 0)[data.rows("test")])


def _nan_at(values, row):
    values = np.array(values, float)
    values[row] = np.nan
    return values


REFUSED = {
    "objects": ({"x": np.array([[1, "a"]] * 20, object)}, {}, "must hold numbers, got pickled obj"),
    "Fortran order": (
        {"x": np.asfortranarray(X)},
        {},
        r"in C order, got shape \(20, 3\) in Fortran order; save np.ascontiguousarray",
    ),
    "complex": ({"x": X + 1j}, {}, r"odd.npz: arrays must hold numbers, got complex128 in an arr"),
    "texts": ({"x": X.astype(str)}, {}, r"odd.npz: arrays must hold numbers, got <U\d+ in an arr"),
    "dates as targets": (
        {"y": Y.astype("datetime64[D]")},
        {},
        r"y_train must hold numbers, got datetime64\[D\]",
    ),
    "records": (
        {"x": np.zeros(20, [("a", "f4"), ("b", "f4")])},
        {},
        r"arrays must hold numbers, got \[\('a', '<f4'\), \('b', '<f4'\)\]",
    ),
    "labels that are missing": (
        {"y": _nan_at(Y, 4)},
        {"num_classes": 3},
        "must be finite, got nan in row",
    ),
    "labels as floats": (
        {"y": Y.astype(float)},
        {"num_classes": 3},
        r"must be an integer array \[N\] of labels, got float64",
    ),
    "negative labels": ({"y": Y - 1}, {}, r"must lie in \[0, 2\), got -1 in row"),
    "negative weights": ({"weights": X[:, 0]}, {}, "weights must be at least 0, got -"),
    "weights of zero": (
        {"weights": np.zeros(20)},
        {},
        "must hold a weight above 0, got zeros only",
    ),
    "tokens beyond int32": (
        {"x": np.full((20, 3), 2**31)},
        {},
        r"odd.npz: integers in an array of inputs must lie in \[-2³¹, 2³¹\), .* got 2147483648",
    ),
    "several labels beyond int32": (
        {"y": np.full((20, 2), 2**32)},
        {"target_kinds": "multi_label"},
        r"integers in y_train must lie in \[-2³¹, 2³¹\)",
    ),
    "several labels between 0 and 1": (
        {"y": np.full((20, 2), 0.5)},
        {"target_kinds": "multi_label"},
        "labels of several at a time are 0 or 1, got 0.5 in row 0",
    ),
    "an infinite input": ({"x": np.full((20, 3), np.inf)}, {}, "x_train must be finite, got inf"),
    "one number": ({"x": np.float64(3)}, {}, r"must hold an array \[N, ...\] in C order, got sha"),
    "a class that training lacks": (
        {"x_train": X, "y_train": Y % 2, "x_test": X, "y_test": Y, "x": None, "y": None},
        {},
        r"labels in y_test must lie in \[0, 2\), got 2 in row 2",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_by_name(tmp_path, case):
    given, options, message = REFUSED[case]
    whole = {"x": X, "y": Y, **given}
    path = tmp_path / "odd.npz"
    np.savez(path, **{name: values for name, values in whole.items() if values is not None})
    with pytest.raises(ValueError, match=message):
        arrays(path, **options)


def test_streamed_tokens_beyond_int32_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.full((20, 3), 2**40))
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(ValueError, match=r"must lie in \[-2³¹, 2³¹\), .* got 1099511627776"):
        arrays(tmp_path, stream=True).batches(4, 0).at(0)
    items = [(np.array([2**40]), 0), (np.array([1]), 1)] * 4
    with pytest.raises(ExampleError, match=r"toy: row 0: the item: integers in an array must li"):
        streamed_dataset("toy", items, items, num_classes=2)


def test_raw_arrays_with_other_axes_are_refused(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (20, 4, 5, 3)).astype(np.uint8)
    data = arrays(saved(tmp_path, x=images))
    want = data.prepare_inputs(images)
    np.testing.assert_array_equal(data.prepare_inputs(images.reshape(20, -1)), want)
    with pytest.raises(ValueError, match=r"of shape \(4, 5, 3\), or flat, got \(3, 4, 5\); bring"):
        data.prepare_inputs(images.transpose(0, 3, 1, 2))
    with pytest.raises(ValueError, match=r"raw pixels must be unsigned bytes, .* got int64 up to"):
        data.prepare_inputs(images.astype(np.int64))


IN_PYTHON = {
    "masked inputs": (
        np.ma.masked_array(X, X > 2),
        "x_train must have no masked values, got one in",
    ),
    "complex": (X + 1j, "x_train must hold numbers, got complex128; encode them"),
    "durations": ((X * 9).astype("m8[s]"), r"x_train must hold numbers, got timedelta64\[s\]"),
    "objects": (X.astype(object), "x_train must hold numbers, got object"),
}


@pytest.mark.parametrize("case", IN_PYTHON)
def test_arrays_in_memory_that_cannot_be_taken(case):
    x, message = IN_PYTHON[case]
    with pytest.raises(ValueError, match=f"odd: {message}"):
        regression_dataset("odd", (x, X[:, :1]), (X, X[:, :1]))


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_numbers_of_any_size_are_standardised(unit):
    data = regression_dataset("odd", (X * unit, X[:, :1] * unit), (X * unit, X[:, :1] * unit))
    want = regression_dataset("odd", (X, X[:, :1]), (X, X[:, :1]))
    np.testing.assert_allclose(data.x_test, want.x_test, rtol=1e-5)
    np.testing.assert_allclose(
        data.to_own_units(np.float64(data.y_test)), X[:, :1] * unit, rtol=1e-5
    )


def test_raw_rows_without_numbers_are_refused():
    data = regression_dataset("odd", (X, X[:, :1]), (X, X[:, :1]))
    with pytest.raises(ValueError, match="raw must be finite, got nan in row 0"):
        data.prepare_inputs(X * np.nan)
    with pytest.raises(ValueError, match="raw must have no masked values, got one in row"):
        data.prepare_inputs(np.ma.masked_array(X, X > 2))
