import gin
import numpy as np
import pytest

from bnn.data import ArrayExamples, Dataset, class_weighted, streamed_dataset
from bnn.runs.identity import fingerprint
from tests.runs.task_cases import dataset, several

LABELS = np.array([0] * 6 + [1] * 3 + [2], np.int32)


def _data(**fields):
    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    parts = {"x_train": x, "y_train": LABELS, "x_valid": x[:0], "y_valid": LABELS[:0]}
    return Dataset("toy", **parts, x_test=x, y_test=LABELS, num_classes=3, **fields)


def test_balanced_classes_have_one_total_weight_and_all_sum_to_n():
    data = class_weighted(_data())
    by_hand = np.array([10 / (3 * 6)] * 6 + [10 / (3 * 3)] * 3 + [10 / 3])
    np.testing.assert_allclose(data.weights_train, by_hand, rtol=1e-6)
    assert data.weights_train.sum() == pytest.approx(data.num_train)
    assert data.weights_test is None
    batch = data.batches(10, 0).at(0)
    np.testing.assert_array_equal(
        batch.weights, data.weights_train[batch.inputs[:, 0].numpy().astype(int) // 2]
    )
    assert fingerprint(data) != fingerprint(_data())


def test_weights_of_ones_own_multiply_those_of_the_examples():
    held = np.linspace(1, 2, 10).astype(np.float32)
    data = class_weighted(_data(weights_train=held), [1.0, 2.0, 5.0])
    np.testing.assert_allclose(data.weights_train, held * np.array([1.0, 2.0, 5.0])[LABELS])


def test_streams_are_weighted_alike():
    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    items = [(x[i], LABELS[i]) for i in range(10)]
    expected = class_weighted(_data()).batches(4, 3).at(5)
    for source in (items, ArrayExamples("toy", x, LABELS)):
        data = class_weighted(streamed_dataset("toy", source, items, num_classes=3))
        assert data.num_train == 10
        batch = data.batches(4, 3).at(5)
        np.testing.assert_array_equal(batch.inputs, expected.inputs)
        np.testing.assert_array_equal(batch.weights, expected.weights)
    twice = class_weighted(data, [2.0, 1.0, 1.0]).batches(4, 3).at(5)
    factor = np.where(expected.targets.numpy() == 0, 2, 1)
    np.testing.assert_allclose(twice.weights, expected.weights * factor)


def test_gin_builds_it(clean_gin):
    gin.parse_config("class_weighted.data = @digits()\nclass_weighted.weights = 'balanced'")
    data = gin.get_configurable("class_weighted")()
    totals = np.bincount(data.y_train, data.weights_train)
    np.testing.assert_allclose(totals, data.num_train / 10, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "weights", "message"),
    [
        (_data, [1.0, 2.0],
         r"weights must be 'balanced' or 3 positive numbers, .* got \[1.0, 2.0\]"),
        (_data, [1.0, 2.0, 0.0], "3 positive numbers"),
        (_data, [1.0, 2.0, np.inf], "3 positive numbers"),
        (_data, "even", "got 'even'"),
        (several, "balanced", "class_weighted needs one target of labels, got {'price': 'values'"),
        (lambda: dataset((np.arange(32) % 2).astype(np.int32), num_classes=4), "balanced",
         "balanced weights need training examples of every class, got none of class 2; give"),
    ],
)  # fmt: skip
def test_what_cannot_be_weighted_is_named(make, weights, message):
    with pytest.raises(ValueError, match=f"toy: .*{message}"):
        class_weighted(make(), weights)
