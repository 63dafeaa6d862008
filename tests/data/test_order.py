import numpy as np
import pytest

from bnn.data import batch_indices
from bnn.data.order import batch_rows


@pytest.mark.parametrize("num_train", [1, 2, 3, 10, 97, 1437, 60_000, 2**31 - 1])
@pytest.mark.parametrize("seed", [0, 5, -1, -(2**63), 2**62 + 3])
def test_numpy_and_tensorflow_give_one_order(num_train: int, seed: int):
    for batch_size in {1, min(num_train, 7), min(num_train, 128)}:
        steps = np.array([0, 1, 77, 2**40])
        given = {"batch_size": batch_size, "num_train": num_train, "seed": seed}
        expected = batch_indices(steps, **given).numpy()
        np.testing.assert_array_equal(batch_rows(steps, **given), expected)
        np.testing.assert_array_equal(batch_rows(77, **given), expected[2])
