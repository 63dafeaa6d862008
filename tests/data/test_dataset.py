import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from bnn.data import Dataset, classification_dataset, regression_dataset


def _classification(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "toy",
        "x_train": np.zeros((4, 3), np.float32),
        "y_train": np.array([0, 1, 2, 1], np.int32),
        "x_valid": np.zeros((0, 3), np.float32),
        "y_valid": np.zeros(0, np.int32),
        "x_test": np.zeros((2, 3), np.float32),
        "y_test": np.array([0, 2], np.int32),
        "num_classes": 3,
    }
    return Dataset(**{**fields, **changes})


def _regression(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "num_classes": None,
        "y_train": np.zeros((4, 2), np.float32),
        "y_valid": np.zeros((0, 2), np.float32),
        "y_test": np.zeros((2, 2), np.float32),
        "target_loc": np.array([1.0, 10.0]),
        "target_scale": np.array([2.0, 4.0]),
    }
    return _classification(**{**fields, **changes})


def test_properties_of_classification():
    dataset = _classification()
    assert (dataset.num_train, dataset.num_valid, dataset.num_test) == (4, 0, 2)
    assert dataset.input_shape == (3,)
    assert dataset.task == "classification"
    assert dataset.num_targets is None
    assert repr(dataset) == (
        "Dataset(toy: classification, 3 classes, inputs (3,), 4 train, 0 valid, 2 test)"
    )


def test_properties_of_regression():
    dataset = _regression()
    assert dataset.task == "regression"
    assert dataset.num_targets == 2
    np.testing.assert_array_equal(dataset.to_own_units(np.ones((5, 1, 2)))[0, 0], [3.0, 14.0])
    assert "regression, D = 2" in repr(dataset)


def test_dataset_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        _classification().name = "other"  # type: ignore[misc]


def test_part_gives_pairs():
    dataset = _classification()
    x, y = dataset.part("test")
    assert x is dataset.x_test
    assert y is dataset.y_test
    with pytest.raises(ValueError, match="part must be one of train, valid, test, got 'dev'"):
        dataset.part("dev")


def _bad_row(value: float) -> np.ndarray:
    x = np.zeros((4, 3), np.float32)
    x[2, 1] = x[3, 0] = value
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((4, 3))}, "toy: x_train must be a float32 array .* got float64 of"),
        ({"x_test": np.zeros(2, np.float32)}, "x_test must be .* rank 2 or more"),
        ({"x_train": [[0.0]]}, "x_train must be a float32 array .* got list"),
        ({"x_train": _bad_row(np.nan)}, r"x_train must be finite, got nan in row 2 \(2 such rows"),
        ({"x_train": _bad_row(-np.inf)}, "x_train must be finite, got -inf in row 2"),
        ({"x_test": np.zeros((2, 4), np.float32)}, r"shape of x_train, \(3,\), got \(4,\); bring"),
        ({"y_test": np.zeros(3, np.int32)}, r"y_test must have one row an example, .*\(3,\); pair"),
        ({"y_train": np.zeros(4, np.int64)}, r"int32 array .* got int64 .* y.astype\('int32'\)"),
        ({"y_train": np.zeros((4, 1), np.int32)}, "y_train must be an integer array"),
        (
            {"y_test": np.array([0, 3], np.int32)},
            r"toy: wrong label range: the labels in y_test must lie in \[0, 3\), got 3 in row 1 "
            r"\(1 such rows\); number the classes from 0, or give a larger num_classes",
        ),
        ({"y_train": np.array([0, -1, -7, 0], np.int32)}, r"got -1 in row 1 \(2 such rows\)"),
        ({"num_classes": 1}, "num_classes must be an integer of at least 2, got 1"),
        (
            {
                "x_train": np.zeros((0, 3), np.float32),
                "y_train": np.zeros(0, np.int32),
                "x_test": np.zeros((0, 3), np.float32),
                "y_test": np.zeros(0, np.int32),
            },
            "x_train or x_test must hold an example",
        ),
        ({"target_loc": np.zeros(1)}, "None for classification, got num_classes=3"),
        ({"input_loc": np.zeros(3)}, r"input_loc and input_scale must be finite.* got .* and None"),
        ({"input_loc": np.zeros(3), "input_scale": np.zeros(3)}, "the scale positive"),
        ({"input_loc": np.zeros(2), "input_scale": np.ones(2)}, r"of shape \(\) or \(3,\)"),
    ],
)
def test_bad_classification_sets_are_refused(changes: dict, message: str):
    with pytest.raises(ValueError, match=message):
        _classification(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.zeros(4, np.float32)}, r"y_train must be a float32 array \[N, D\].*\[N, 1"),
        ({"y_test": np.zeros((2, 1), np.float32)}, "must have the 2 target columns of y_train"),
        (
            {"y_test": np.full((2, 2), np.nan, np.float32)},
            "y_test must be finite, got nan in row 0",
        ),
        ({"target_loc": None, "target_scale": None}, "must be given for regression"),
        ({"target_scale": np.array([1.0, 0.0])}, "target_loc and target_scale must be finite"),
        ({"target_scale": np.array([1.0, np.nan])}, "target_loc and target_scale must be finite"),
        ({"target_loc": np.zeros(1)}, r"of shape \(2,\), and the scale positive"),
    ],
)
def test_bad_regression_sets_are_refused(changes: dict, message: str):
    with pytest.raises(ValueError, match=message):
        _regression(**changes)


def test_labels_have_no_units():
    with pytest.raises(ValueError, match="to_own_units needs regression targets"):
        _classification().to_own_units(np.zeros(3))


def test_a_set_without_training_part_is_served():
    dataset = _classification(x_train=np.zeros((0, 3), np.float32), y_train=np.zeros(0, np.int32))
    assert dataset.num_train == 0
    assert dataset.input_shape == (3,)


def test_prepare_inputs_repeats_what_the_loader_did():
    random = np.random.RandomState(0)
    x, y = random.normal(5.0, 3.0, (40, 3)), random.normal(size=(40, 1))
    dataset = regression_dataset("toy", (x, y), (x[:7], y[:7]), validation_fraction=0.25)
    np.testing.assert_array_equal(dataset.prepare_inputs(x[:7]), dataset.x_test)
    images = random.uniform(size=(20, 4, 4, 1)).astype(np.float32)
    labels = np.arange(20) % 2
    for flatten in (False, True):
        for standardize in (False, True):
            dataset = classification_dataset(
                "toy",
                (images, labels),
                (images[:3], labels[:3]),
                num_classes=2,
                flatten=flatten,
                standardize=standardize,
            )
            np.testing.assert_array_equal(dataset.prepare_inputs(images[:3]), dataset.x_test)
            assert dataset.prepare_inputs(images[:0]).shape == (0, *dataset.input_shape)
    assert dataset.prepare_inputs(images).dtype == np.float32


def test_prepare_inputs_refuses_another_size():
    message = "raw must be [N, ...] with the values of (3,) an example, got shape (2, 4); resize"
    with pytest.raises(ValueError, match=re.escape(message)):
        _classification().prepare_inputs(np.zeros((2, 4)))
