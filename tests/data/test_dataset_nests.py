"""Datasets whose inputs or targets are dicts and tuples, with weights, names and row numbers."""

import json
from typing import Any

import numpy as np
import pytest

from bnn.data import Dataset, Scaling


def _nested(**changes: Any) -> Dataset:
    random = np.random.RandomState(0)

    def inputs(count: int) -> dict[str, np.ndarray]:
        return {
            "image": random.normal(size=(count, 4, 4, 1)).astype(np.float32),
            "tokens": random.randint(0, 9, (count, 6)).astype(np.int32),
        }

    def targets(count: int) -> dict[str, np.ndarray]:
        return {
            "price": random.normal(size=(count, 1)).astype(np.float32),
            "colour": np.arange(count, dtype=np.int32) % 3,
            "sales": random.poisson(2, (count, 2)).astype(np.float32),
            "tags": random.randint(0, 2, (count, 5)).astype(np.int32),
            "mask": random.randint(0, 2, (count, 4, 4)).astype(np.int32),
        }

    fields: dict[str, Any] = {"name": "toy"}
    for part, count in (("train", 6), ("valid", 0), ("test", 3)):
        fields[f"x_{part}"], fields[f"y_{part}"] = inputs(count), targets(count)
    fields |= {
        "num_classes": {"colour": 3, "mask": 2},
        "target_kinds": {"sales": "counts", "tags": "multi_label", "mask": "label_map"},
        "target_loc": {"price": np.array([10.0])},
        "target_scale": {"price": np.array([2.0])},
        "class_names": {"colour": ("red", "green", "blue")},
        "weights_train": np.arange(6, dtype=np.float32),
    }
    return Dataset(**{**fields, **changes})


def test_structures_are_described_in_their_own_structure():
    data = _nested()
    assert (data.num_train, data.num_valid, data.num_test) == (6, 0, 3)
    assert data.input_shape == {"image": (4, 4, 1), "tokens": (6,)}
    assert data.kinds["price"] == "values"
    assert data.tasks == {
        "price": "regression",
        "colour": "classification",
        "sales": "counts",
        "tags": "multi_label",
        "mask": "label_map",
    }
    assert data.task == "multiple"
    assert data.num_targets == {"price": 1, "colour": None, "sales": 2, "tags": 5, "mask": None}
    assert data.weights("test") is None
    np.testing.assert_array_equal(data.weights("train"), np.arange(6))
    assert "targets price: regression, colour: classification" in repr(data)


def test_rows_number_the_parts_one_after_the_other_unless_given():
    assert _nested().rows("test").tolist() == [6, 7, 8]
    data = _nested(rows_test=np.array([4, 9, 1]))
    assert data.rows("test").tolist() == [4, 9, 1]
    assert data.rows("train").tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="part must be one of train, valid, test, got 'dev'"):
        data.rows("dev")


def test_own_units_by_target():
    data = _nested()
    own = data.to_own_units({"price": np.ones((2, 1)), "sales": np.ones((2, 2))})
    assert own["price"].tolist() == [[12.0], [12.0]]
    assert own["sales"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(ValueError, match=r"toy, 'colour': to_own_units needs regression targets"):
        data.to_own_units({"colour": np.ones(2)})
    with pytest.raises(ValueError, match=r"takes a dict with the targets 'price', .* got size"):
        data.to_own_units({"size": np.ones(2)})
    with pytest.raises(ValueError, match=r"takes a dict with the targets .*, got ndarray"):
        data.to_own_units(np.ones((2, 1)))


@pytest.mark.parametrize("order", [("image", "tokens"), ("tokens", "image")])
def test_raw_nests_are_prepared_whatever_their_order(order):
    data = _nested()
    raw = {key: data.x_test[key] for key in order}
    prepared = data.prepare_inputs(raw)
    assert list(prepared) == ["image", "tokens"]
    for key, values in prepared.items():
        np.testing.assert_array_equal(values, data.x_test[key])
        assert values.dtype == data.x_test[key].dtype
    with pytest.raises(
        ValueError, match=r"toy: raw must be a dict of 'image', 'tokens', .* got an array"
    ):
        data.prepare_inputs(raw["image"])
    with pytest.raises(ValueError, match=r"one row an example, got 3 in raw\['image'\], 2 in"):
        data.prepare_inputs({**raw, "tokens": raw["tokens"][:2]})
    with pytest.raises(ValueError, match=r"toy: raw\['tokens'\]: raw must hold integers, .*float"):
        data.prepare_inputs({**raw, "tokens": raw["tokens"] + 0.5})


def test_the_scaling_comes_back_from_json():
    random = np.random.RandomState(0)
    loc, scale = random.normal(size=(4, 4, 1)), random.uniform(0.1, 3, (4, 4, 1))
    data = _nested(
        input_loc={"image": loc, "tokens": None}, input_scale={"image": scale, "tokens": None}
    )
    stored = json.loads(json.dumps(data.scaling.to_json()))
    scaling = Scaling.from_json(stored)
    assert scaling.to_json() == data.scaling.to_json()
    raw = {
        "image": random.normal(size=(3, 4, 4, 1)),
        "tokens": random.randint(0, 9, (3, 6)),
    }
    again, first = scaling.prepare_inputs(raw), data.prepare_inputs(raw)
    np.testing.assert_array_equal(again["image"], first["image"])
    np.testing.assert_allclose(again["image"], (raw["image"] - loc) / scale, rtol=1e-6)
    y = {"price": np.array([[0.1]])}
    np.testing.assert_array_equal(scaling.to_own_units(y)["price"], data.to_own_units(y)["price"])
    assert scaling.targets["colour"].names == ("red", "green", "blue")


def test_columns_of_one_target_by_name():
    zeros = np.zeros((3, 2), np.float32)
    data = Dataset(
        "toy", *[zeros] * 6, target_loc=np.array([1.0, 2.0]), target_scale=np.array([1.0, 10.0]),
        target_names=("mass", "charge"), feature_names=("a", "b"),
    )  # fmt: skip
    assert data.scaling.by_name(np.ones((5, 2)))["charge"].tolist() == [12.0] * 5
    stored = data.scaling.to_json()
    assert Scaling.from_json(stored).feature_names == ("a", "b")
    assert Scaling.from_json(stored).by_name(np.ones(2)) == {"mass": 2.0, "charge": 12.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 7}, "a stored scaling must have version 1, got 7; use the version of bnn"),
        ({"targets": None}, "a stored scaling must hold name, inputs, targets and feature_names"),
        ({"inputs": {"kind": "sound"}}, "one of the kinds array, image, .*, got 'sound'"),
        ({"inputs": {"kind": "array"}}, "kind 'array' must hold the fields .* got none"),
        ({"inputs": []}, "a stored preparation must have one of the kinds"),
    ],
)
def test_a_changed_scaling_is_refused(change: dict, message: str):
    stored = {**_nested().scaling.to_json(), **change}
    with pytest.raises(ValueError, match=message):
        Scaling.from_json(stored)


def test_the_fingerprint_follows_content_and_scaling():
    data = _nested()
    assert data.fingerprint == _nested().fingerprint
    assert len(data.fingerprint) == 32
    others = [
        _nested(target_loc={"price": np.array([11.0])}),
        _nested(weights_train=None),
        _nested(class_names=None),
    ]
    changed = _nested()
    changed.x_test["image"][2, 3, 3, 0] += 1e-6
    others.append(changed)
    found = {dataset.fingerprint for dataset in others}
    assert len(found | {data.fingerprint}) == 5


def test_the_fingerprint_is_the_same_on_every_machine():
    data = Dataset(
        "toy", *[np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(3, dtype=np.int32)] * 3,
        num_classes=3,
    )  # fmt: skip
    assert data.fingerprint == "8c0ec19c20c243aeb8c1e542c64da91f"


def _with(nest: dict, **changes: Any) -> dict:
    return {**nest, **changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {"x_test": d.x_test["image"]}, "x_test must be a dict of 'image', 'tokens', as"),
        (lambda d: {"x_train": {}}, "x_train must be an array, a dict with texts as keys"),
        (
            lambda d: {"x_train": _with(d.x_train, tokens={"a": 1})},
            r"x_train\['tokens'\] must be an array, got dict; give one dict or tuple",
        ),
        (
            lambda d: {"x_test": _with(d.x_test, tokens=d.x_test["tokens"].astype(np.float32))},
            r"x_test\['tokens'\] must hold examples of the shape of x_train, .* float32 of shape",
        ),
        (
            lambda d: {"x_train": _with(d.x_train, tokens=d.x_train["tokens"][:5])},
            r"x_train\['image'\] and x_train\['tokens'\] must have one row an example",
        ),
        (
            lambda d: {"y_test": _with(d.y_test, colour=np.array([0, 1, 3], np.int32))},
            r"the labels in y_test\['colour'\] must lie in \[0, 3\), got 3 in row 2",
        ),
        (
            lambda d: {"y_test": _with(d.y_test, sales=np.full((3, 2), 0.5, np.float32))},
            r"wrong values in y_test\['sales'\]: counts must be whole numbers .* got 0.5 in row 0",
        ),
        (
            lambda d: {"y_test": _with(d.y_test, tags=np.full((3, 5), 2, np.int32))},
            r"wrong values in y_test\['tags'\]: labels of several at a time are 0 or 1, got 2",
        ),
        (
            lambda d: {"y_test": _with(d.y_test, mask=np.full((3, 4, 4), 5, np.int32))},
            r"labels in y_test\['mask'\] must lie in \[0, 2\), got 5 in row 0 \(3 such rows\)",
        ),
        (
            lambda d: {"y_test": _with(d.y_test, mask=np.zeros(3, np.int32))},
            r"y_test\['mask'\] must be an integer array \[N, ...\] of labels",
        ),
        (lambda d: {"y_train": (d.y_train["price"],)}, "y_train must be an array or a dict"),
        (lambda d: {"num_classes": 3}, "num_classes must be a dict where the targets are one"),
        (lambda d: {"num_classes": {"color": 3}}, "num_classes must name targets, 'price', .*'col"),
        (
            lambda d: {"target_kinds": {"price": "money"}},
            "target_kinds must be one of labels, label_map, multi_label, values, counts, got 'mon",
        ),
        (lambda d: {"target_loc": None}, "target_loc and target_scale must be given for regress"),
        (lambda d: {"class_names": {"colour": ("a", "b")}}, "class_names must be a tuple of 3 dif"),
        (lambda d: {"target_names": ("a",)}, "target_names must be a tuple of None different"),
        (
            lambda d: {"weights_train": np.ones(6)},
            r"weights_train must be a float32 array \[N\], a weight an example, got float64",
        ),
        (lambda d: {"weights_train": np.ones(5, np.float32)}, "must hold the 6 weights of its"),
        (
            lambda d: {"weights_train": np.array([1, 1, -2, 1, 1, 1], np.float32)},
            "weights must be at least 0, got -2.0 in row 2",
        ),
        (lambda d: {"weights_train": np.zeros(6, np.float32)}, "must hold a weight above 0"),
        (lambda d: {"rows_train": np.zeros(6)}, r"rows_train must be an int64 array \[6\]"),
        (lambda d: {"rows_train": np.arange(5)}, r"rows_train must be an int64 array \[6\]"),
    ],
)
def test_mixed_structures_are_refused_by_name(change, message: str):
    with pytest.raises(ValueError, match=f"toy: .*{message}"):
        _nested(**change(_nested()))
