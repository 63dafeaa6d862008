import gin
import numpy as np
import pytest
import sklearn.datasets

import bnn.data
from bnn.data import diabetes, digits


def test_digits():
    dataset = digits()
    assert dataset.x_train.shape == (1437, 64)
    assert dataset.x_test.shape == (360, 64)
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0.0, 1.0)
    assert digits(flatten=False).x_train.shape == (1437, 8, 8, 1)


def test_digits_holds_every_image_once():
    raw = sklearn.datasets.load_digits().data / 16
    dataset = digits(validation_fraction=0.1, seed=3)
    images = np.concatenate([dataset.x_train, dataset.x_valid, dataset.x_test])
    np.testing.assert_array_equal(np.sort(images @ np.arange(64)), np.sort(raw @ np.arange(64)))


def test_the_test_part_of_digits_is_stratified():
    dataset = digits(test_fraction=0.3, seed=1)
    share = np.bincount(dataset.y_test) / np.bincount(
        np.concatenate([dataset.y_train, dataset.y_test])
    )
    np.testing.assert_allclose(share, 0.3, atol=0.005)


def test_digits_are_a_function_of_the_seed():
    first, again, other = digits(seed=0), digits(seed=0), digits(seed=1)
    np.testing.assert_array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x_test, other.x_test)


def test_diabetes():
    dataset = diabetes(test_fraction=0.25, validation_fraction=0.1)
    assert (dataset.num_train, dataset.num_valid, dataset.num_test) == (299, 33, 110)
    assert dataset.input_shape == (10,)
    assert dataset.num_targets == 1
    np.testing.assert_allclose(dataset.x_train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(dataset.y_train.std(), 1, rtol=1e-5)
    y = np.concatenate([dataset.y_train, dataset.y_valid, dataset.y_test])
    raw = sklearn.datasets.load_diabetes(scaled=False).target
    np.testing.assert_allclose(np.sort(dataset.to_own_units(y)[:, 0]), np.sort(raw), rtol=1e-5)


@pytest.mark.parametrize("loader", [digits, diabetes])
def test_bad_fractions_are_refused(loader):
    for fraction in (0.0, 1.0, -0.2, float("nan")):
        message = (
            rf"test_fraction must be a share in \(0, 1\), got {fraction}; give for example 0.1"
        )
        with pytest.raises(ValueError, match=message):
            loader(test_fraction=fraction)
    with pytest.raises(ValueError, match=r"validation_fraction must be a share in \[0, 1\), got 1"):
        loader(validation_fraction=1)
    with pytest.raises(ValueError, match=r"seed must be an integer .* got -3"):
        loader(seed=-3)


def test_a_class_without_a_test_image_is_refused():
    with pytest.raises(ValueError, match=r"leave every class an image on both sides.* got 0.001"):
        digits(test_fraction=0.001)
    with pytest.raises(ValueError, match="at least one of the 442 rows"):
        diabetes(test_fraction=0.0001)


@pytest.mark.usefixtures("clean_gin")
def test_gin_builds_the_sets():
    @gin.configurable("sklearn_sets_root", module="test")
    def root(dataset: bnn.data.Dataset = gin.REQUIRED) -> bnn.data.Dataset:
        return dataset

    gin.parse_config("sklearn_sets_root.dataset = @bnn.data.digits()\ndigits.test_fraction = 0.5")
    assert root().num_test == 899
    gin.clear_config()
    gin.parse_config("sklearn_sets_root.dataset = @diabetes()")
    assert root().task == "regression"
    assert digits().num_test == 360  # bindings reach only what gin builds
