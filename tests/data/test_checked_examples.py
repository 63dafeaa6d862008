"""Targets of a stream that their kind does not have; the row is named when it is read."""

import numpy as np
import pytest

from bnn.data import ArrayExamples, ExampleError, streamed_dataset
from bnn.data.checked_examples import CheckedExamples
from tests.runs.task_cases import several

COUNT = 20


class Items:
    """Examples of which one has another target."""

    def __init__(self, targets, bad=None, inputs=None):
        self.targets, self.bad = list(targets), bad
        self.inputs = np.zeros((len(self.targets), 2), np.float32) if inputs is None else inputs
        if bad is not None:
            self.targets[13] = bad

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, row):
        return self.inputs[row], self.targets[row]


@pytest.mark.parametrize(
    ("targets", "bad", "fields", "message"),
    [
        (np.arange(COUNT) % 3, np.int32(3), {"num_classes": 3},
         r"wrong values in targets: labels must lie in \[0, 3\), got 3 in row 13; correct this"),
        (np.arange(COUNT) % 3, np.int32(-1), {"num_classes": 3}, "got -1 in row 13"),
        (np.zeros((COUNT, 4), int), np.array([0, 1, 2, 9]),
         {"num_classes": 3, "target_kinds": "label_map"}, r"\[0, 3\), got 9 in row 13"),
        (np.zeros((COUNT, 2), int), np.array([0, 5]), {"target_kinds": "multi_label"},
         "labels of several at a time are 0 or 1, got 5 in row 13"),
        (np.zeros((COUNT, 1)), np.array([1.5]), {"target_kinds": "counts"},
         r"counts must be whole numbers of at least 0, got 1\.5 in row 13"),
        (np.zeros((COUNT, 1)), np.array([np.nan]),
         {"target_loc": np.zeros(1), "target_scale": np.ones(1)},
         r"targets must be finite, got a number that is not in row 13"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_is_named_by_its_row(targets, bad, fields, message):
    good = Items(targets)
    data = streamed_dataset("toy", Items(targets, bad), good, **fields)
    with pytest.raises(ExampleError, match=f"toy: .*{message}"):
        data.batches(COUNT, 0).take(0, 1)
    streamed_dataset("toy", good, good, **fields).batches(COUNT, 0).take(0, 1)
    with pytest.raises(ExampleError, match=r"row 13"):
        list(data.batches(COUNT, 0).full())


def test_every_target_of_several_is_looked_at():
    data = several()
    rows = [
        ({k: x[i] for k, x in data.x_train.items()}, {k: y[i] for k, y in data.y_train.items()})
        for i in range(data.num_train)
    ]
    fields = {
        name: getattr(data, name)
        for name in ("num_classes", "target_loc", "target_scale", "target_kinds")
    }
    streamed_dataset("toy", rows, rows, **fields).batches(24, 0).take(0, 1)
    rows[7][1]["tags"] = np.array([0, 2], np.int32)
    broken = streamed_dataset("toy", rows, rows[:3], **fields)
    with pytest.raises(
        ExampleError, match=r"in targets\['tags'\]: labels of several .* 2 in row 7"
    ):
        broken.batches(24, 0).take(0, 1)


def test_an_empty_part_is_named():
    items = Items(np.arange(COUNT) % 3)
    for train, test in (([], items), (items, [])):
        with pytest.raises(
            ValueError, match="toy: a source must hold an example, got an empty one"
        ):
            streamed_dataset("toy", train, test, num_classes=3)


def test_targets_are_known_by_their_names_in_whatever_order():
    kinds, classes = {"a": "labels", "b": "counts"}, {"a": 2, "b": None}
    right = {"b": np.array([7.0, 0.0], np.float32), "a": np.array([0, 1], np.int32)}
    wrong = {"b": np.array([0.5, 0.0], np.float32), "a": np.array([0, 1], np.int32)}
    x, rows = np.zeros((2, 1), np.float32), np.arange(2)
    CheckedExamples(ArrayExamples("toy", x, right), kinds, classes).take(rows)
    with pytest.raises(ExampleError, match=r"targets\['b'\]: counts must be whole.* got 0\.5 in r"):
        CheckedExamples(ArrayExamples("toy", x, wrong), kinds, classes).take(rows)
