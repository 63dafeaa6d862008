import numpy as np
import pytest

from bnn.data import classification_dataset, regression_dataset, split_validation


def _rows(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(1)
    return random.normal(7.0, 5.0, (count, 4)), random.normal(-3.0, 0.2, (count, 2))


def test_regression_is_standardised_by_what_is_left_to_train_on():
    x, y = _rows()
    dataset = regression_dataset("toy", (x, y), (x[:5], y[:5]), validation_fraction=0.3, seed=4)
    train, valid = split_validation(60, 0.3, seed=4)
    assert (dataset.num_train, dataset.num_valid) == (42, 18)
    np.testing.assert_allclose(dataset.x_train.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(dataset.x_train.std(axis=0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(dataset.target_loc, y[train].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(dataset.target_scale, y[train].std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(dataset.to_own_units(dataset.y_valid), y[valid], rtol=1e-6)
    np.testing.assert_allclose(dataset.to_own_units(dataset.y_test), y[:5], rtol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8 + 0.1, -3.7e-12])
def test_a_constant_column_becomes_zero_with_scale_one(constant: float):
    x, y = _rows()
    x[:, 2] = constant
    dataset = regression_dataset("toy", (x, y), (x[:5], y[:5]))
    assert not dataset.x_train[:, 2].any()
    assert dataset.input_scale is not None
    assert dataset.input_scale[2] == 1.0


def test_images_are_standardised_by_one_mean_and_one_deviation():
    random = np.random.RandomState(0)
    images, labels = random.uniform(0, 1, (50, 6, 6, 1)), np.arange(50) % 5
    dataset = classification_dataset(
        "toy",
        (images, labels),
        (images, labels),
        num_classes=5,
        standardize=True,
        validation_fraction=0.2,
        flatten=True,
    )
    train, _ = split_validation(50, 0.2, seed=0)
    assert dataset.x_train.shape == (40, 36)
    assert dataset.x_train.dtype == np.float32
    assert dataset.input_loc is not None
    assert dataset.input_scale is not None
    np.testing.assert_allclose(dataset.input_loc, images[train].mean(), rtol=1e-12)
    np.testing.assert_allclose(dataset.input_scale, images[train].std(), rtol=1e-12)
    np.testing.assert_allclose(dataset.x_train.mean(), 0.0, atol=1e-6)


def test_standardising_constant_images_divides_by_one():
    images, labels = np.full((4, 2, 2, 1), 0.3, np.float32), np.arange(4) % 2
    dataset = classification_dataset(
        "toy", (images, labels), (images, labels), num_classes=2, standardize=True
    )
    np.testing.assert_allclose(dataset.x_train, 0.0, atol=1e-7)


def test_any_integer_labels_are_taken():
    x = np.zeros((4, 2))
    for dtype in (np.uint8, np.int64):
        y = np.array([0, 1, 2, 0], dtype)
        assert (
            classification_dataset("toy", (x, y), (x, y), num_classes=3).y_train.dtype == np.int32
        )


def test_bad_rows_are_reported_by_their_number_before_the_split():
    x, y = _rows()
    x[41, 1] = np.nan
    with pytest.raises(
        ValueError, match=r"toy: x_train must be finite, got nan in row 41 \(1 such"
    ):
        regression_dataset("toy", (x, y), _rows(), validation_fraction=0.5)
    images, labels = np.zeros((60, 2)), np.zeros(60, int)
    labels[37] = 2**32
    with pytest.raises(ValueError, match=r"must lie in \[0, 2\), got 4294967296 in row 37"):
        classification_dataset("toy", (images, labels), (images, labels), num_classes=2)


def test_overflow_of_float32_is_reported():
    x, y = np.zeros((4, 2)), np.zeros(4, int)
    x[2] = 1e300
    with pytest.raises(ValueError, match="x_train must be finite, got inf in row 2"):
        classification_dataset("toy", (x, y), (x[:1], y[:1]), num_classes=2)


def test_bad_arrays_are_refused():
    x, y = _rows()
    with pytest.raises(
        ValueError, match=r"x_test and y_test must have one row an example, got sha"
    ):
        regression_dataset("toy", (x, y), (x, y[:3]))
    with pytest.raises(ValueError, match="x_train must hold numbers, got <U1; encode them first"):
        regression_dataset("toy", (np.full((60, 2), "a"), y), (x, y))
    with pytest.raises(ValueError, match=r"y_train must be an integer array .* got float64"):
        classification_dataset("toy", (x, y[:, 0]), (x, y), num_classes=2)
    with pytest.raises(ValueError, match=r"train must hold the rows .* got none"):
        regression_dataset("toy", (x[:0], y[:0]), (x, y))
    labels = np.zeros(60, int)
    with pytest.raises(ValueError, match="standardize needs a training part"):
        classification_dataset(
            "toy", (x[:0], labels[:0]), (x, labels), num_classes=2, standardize=True
        )
