import numpy as np
import pytest

from bnn.data import digits, split_validation


def test_the_parts_are_disjoint_and_complete():
    train, valid = split_validation(101, 0.2, seed=3)
    assert len(valid) == 20
    np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.arange(101))
    assert (np.diff(train) > 0).all()
    assert (np.diff(valid) > 0).all()


def test_the_split_is_a_function_of_the_seed():
    first, again, other = (split_validation(100, 0.3, seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_the_split_never_changes():
    # Published results depend on it.
    assert split_validation(10, 0.3, seed=0)[1].tolist() == [2, 4, 8]


def test_no_validation_part():
    train, valid = split_validation(5, 0.0, seed=0)
    assert train.tolist() == [0, 1, 2, 3, 4]
    assert valid.shape == (0,)


def test_every_row_is_held_out_equally_often():
    counts = np.zeros(20)
    for seed in range(400):
        counts[split_validation(20, 0.25, seed=seed)[1]] += 1
    # Binomial(400, 1/4); 20 two-sided tests at 6 sigma: 4e-8 false alarms.
    assert np.abs(counts - 100).max() < 6 * np.sqrt(400 * 0.25 * 0.75)


@pytest.mark.parametrize(
    ("fraction", "seed", "message"),
    [
        (1.0, 0, r"validation_fraction must be a share in \[0, 1\), got 1.0; give for example 0.1"),
        (-0.1, 0, "got -0.1"),
        (float("nan"), 0, "got nan"),
        ("0.1", 0, "got '0.1'"),
        (
            0.01,
            0,
            "at least one of the 10 rows and leave at least one, got 0.01, which holds out 0",
        ),
        (0.99, 0, "which holds out 10; change it"),
        (0.1, -1, r"seed must be an integer in \[0, 4294967296\), got -1; give a fixed integer"),
        (0.1, 1.5, "got 1.5"),
        (0.1, True, "got True"),
    ],
)
def test_bad_arguments_are_refused(fraction: float, seed: int, message: str):
    with pytest.raises(ValueError, match=message):
        split_validation(10, fraction, seed=seed)


def test_loaders_pass_the_fraction_and_the_seed_on():
    dataset = digits(validation_fraction=0.25, seed=5)
    assert (dataset.num_train, dataset.num_valid, dataset.num_test) == (1078, 359, 360)
    whole = digits(seed=5)
    train, valid = split_validation(1437, 0.25, seed=5)
    np.testing.assert_array_equal(dataset.x_train, whole.x_train[train])
    np.testing.assert_array_equal(dataset.y_valid, whole.y_train[valid])
