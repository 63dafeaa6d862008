import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from bnn.data import (
    ArrayExamples,
    Dataset,
    ExampleError,
    ItemExamples,
    ResidentBatches,
    StreamedBatches,
    augmented,
    training_batches,
)
from bnn.data.augmentation import Flip, Mixup
from bnn.data.npy_files import npy_arrays
from bnn.data.npy_rows import NpyRows

COUNT = 53


@pytest.fixture
def arrays() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    random = np.random.RandomState(0)
    inputs = {
        "image": random.uniform(size=(COUNT, 4, 4, 1)).astype(np.float32),
        "tokens": random.randint(0, 9, (COUNT, 3)).astype(np.int32),
    }
    labels = (np.arange(COUNT) % 5).astype(np.int32)
    return inputs, labels, random.uniform(size=COUNT).astype(np.float32)


class Items:
    """A source as a user writes it."""

    def __init__(self, inputs: Any, targets: Any) -> None:
        self.inputs, self.targets, self.length = inputs, targets, len(targets)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, row: int) -> tuple:
        return {key: values[row] for key, values in self.inputs.items()}, self.targets[row]


def _same(one: Any, other: Any) -> None:
    for key in one.inputs:
        np.testing.assert_array_equal(one.inputs[key], other.inputs[key])
    np.testing.assert_array_equal(one.targets, other.targets)


def test_streamed_and_resident_batches_are_the_same(arrays):
    inputs, labels, weights = arrays
    resident = ResidentBatches(inputs, labels, batch_size=8, seed=3)
    streams = [
        StreamedBatches(ArrayExamples("toy", inputs, labels, weights), 8, 3),
        StreamedBatches(ItemExamples("toy", Items(inputs, labels)), 8, 3),
    ]
    for stream in streams:
        assert (stream.num_train, stream.batch_size) == (COUNT, 8)
        for step in (0, 1, 6, 7, 500, 2):  # across epochs, and back
            _same(stream.at(step), resident.at(step))
    batch = streams[0].at(4)
    rows = [
        np.flatnonzero(inputs["image"][:, 0, 0, 0] == x)[0]
        for x in batch.inputs["image"][:, 0, 0, 0].numpy()
    ]
    np.testing.assert_array_equal(batch.weights, weights[rows])
    assert streams[1].at(0).weights is None


def test_several_steps_are_stacked_and_any_start_gives_the_same(arrays):
    inputs, labels, _ = arrays
    examples = ArrayExamples("toy", inputs, labels)
    first, second = StreamedBatches(examples, 5, 1), StreamedBatches(examples, 5, 1)
    many = first.take(3, 7)
    assert many["inputs"]["image"].shape == (7, 5, 4, 4, 1)
    assert many["targets"].dtype.name == "int32"
    for place in (6, 0, 3):
        expected = second.at(3 + place)
        np.testing.assert_array_equal(many["targets"][place], expected.targets)
        np.testing.assert_array_equal(many["inputs"]["image"][place], expected.inputs["image"])
    # What was read ahead is used, and used only where it fits.
    np.testing.assert_array_equal(first.take(10, 7)["targets"], second.take(10, 7)["targets"])
    np.testing.assert_array_equal(first.take(2, 2)["targets"], second.take(2, 2)["targets"])


def test_shares_are_slices_of_the_global_batch(arrays):
    inputs, labels, _ = arrays
    examples = ArrayExamples("toy", inputs, labels)
    for maps in ((), (Mixup(num_classes=5),)):
        images = {"image": inputs["image"]}
        examples = ArrayExamples("toy", images, labels)
        whole = StreamedBatches(examples, 12, 0, maps)
        for count in (2, 4):
            shares = [
                StreamedBatches(examples, 12, 0, maps, share=(i, count)) for i in range(count)
            ]
            parts = [share.at(9) for share in shares]
            joined = np.concatenate([part.inputs["image"] for part in parts])
            np.testing.assert_array_equal(joined, whole.at(9).inputs["image"])
            joined = np.concatenate([part.targets for part in parts])
            np.testing.assert_array_equal(joined, whole.at(9).targets)


def test_the_full_set_comes_once_in_order_without_augmentation(arrays):
    inputs, labels, _ = arrays
    examples = ArrayExamples("toy", {"image": inputs["image"]}, labels)
    stream = StreamedBatches(examples, 8, 0, (Flip(),))
    batches = list(stream.full())
    assert [len(batch.targets) for batch in batches] == [8] * 6 + [5]
    np.testing.assert_array_equal(np.concatenate([b.targets for b in batches]), labels)
    joined = np.concatenate([b.inputs["image"] for b in batches])
    np.testing.assert_array_equal(joined, inputs["image"])


def test_rows_of_a_file(tmp_path: Path):
    values = np.random.RandomState(0).randint(0, 256, (30, 2, 3)).astype(np.uint8)
    np.save(tmp_path / "x.npy", values)
    [array] = npy_arrays(tmp_path).values()
    rows = NpyRows(array, divisor=255, loc=np.array(0.5), scale=np.array(2.0))
    expected = ((values.astype(np.float32) / 255) - 0.5) / 2.0
    wanted = np.array([29, 0, 0, 7])
    np.testing.assert_array_equal(rows[wanted], expected[wanted])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows))[wanted], expected[wanted])
    np.testing.assert_array_equal(NpyRows(array, np.uint8)[wanted], values[wanted])
    np.testing.assert_array_equal(NpyRows(array, np.int32)[wanted], values[wanted])
    with (tmp_path / "x.npy").open("r+b") as file:
        file.truncate(array.offset + 29 * 6)
    with pytest.raises(ValueError, match=r"x.npy: row 29 cannot be read, the file is shorter"):
        rows[wanted]
    np.savez(tmp_path / "x.npz", x=values)
    with pytest.raises(ValueError, match=r"to stream, arrays must be .npy files in a folder"):
        NpyRows(npy_arrays(tmp_path / "x.npz")["x"])


class Broken(Items):
    def __init__(self, inputs: Any, targets: Any, fault: Any) -> None:
        super().__init__(inputs, targets)
        self.fault = fault

    def __getitem__(self, row: int) -> Any:
        item = super().__getitem__(row)
        return self.fault(row, item) if row == 40 else item


class Named(Broken):
    def where(self, row: int) -> str:
        return f"file shard-{row // 10}"


def _raise(error: Exception):
    def fault(row: int, item: Any) -> Any:
        raise error

    return fault


@pytest.mark.parametrize(
    ("kind", "fault", "message"),
    [
        (Named, _raise(OSError("broken data stream\nmore")),
         r"toy: row 40 \(file shard-4\) cannot be decoded: broken data stream; repair the row"),
        (Broken, _raise(KeyError()), "toy: row 40 cannot be decoded: KeyError; repair"),
        (Broken, _raise(IndexError("40")),
         r"toy: the stream ended early: it says that it has 53 examples, but row 40 is not there"),
        (Broken, lambda row, item: item[0], r"row 40 must be \(inputs, targets\) or .* got dict"),
        (Broken, lambda row, item: ({**item[0], "tokens": np.zeros(4, int)}, item[1]),
         r"one shape and type, inputs\['tokens'\] int32 \(3,\) .* got inputs\['tokens'\] int32 "
         r"\(4,\) in row 40; crop, pad or resize"),
        (Broken, lambda row, item: ({**item[0], "image": np.full((4, 4, 1), np.nan)}, item[1]),
         r"toy: inputs\['image'\] must be finite, got a number that is not in row 40"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(arrays, kind, fault, message):
    inputs, labels, _ = arrays
    stream = StreamedBatches(ItemExamples("toy", kind(inputs, labels, fault)), COUNT, 0)
    with pytest.raises(ExampleError, match=message):
        stream.take(0, 1)


def test_a_source_that_changes_its_length_is_refused(arrays):
    inputs, labels, _ = arrays
    source = Items(inputs, labels)
    stream = StreamedBatches(ItemExamples("toy", source), 4, 0)
    stream.take(0, 1)
    stream.take(20, 1)
    source.length = 52
    message = "toy: the source must keep its length, 53 examples, got 52 now; a source that changes"
    with pytest.raises(ExampleError, match=message):
        stream.take(40, 1)


def test_sources_without_numbers_are_refused():
    with pytest.raises(ValueError, match="a source must have __len__ and __getitem__, got gener"):
        ItemExamples("toy", (i for i in range(3)))
    with pytest.raises(ValueError, match="a source must hold an example, got an empty one"):
        ItemExamples("toy", [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 54}, r"batch_size must be an integer in \[1, 54\), got 54; use at most"),
        ({"batch_size": 0}, "got 0"),
        ({"num_workers": -1}, r"num_workers must be an integer in \[0, 257\), got -1"),
        ({"share": (2, 2)}, r"share must be \(index, count\) .* got \(2, 2\) for 10"),
        ({"share": (0, 3)}, r"count a divisor of the batch_size, got \(0, 3\) for 10"),
    ],
)
def test_bad_arguments_are_named(arrays, arguments, message):
    inputs, labels, _ = arrays
    examples = ArrayExamples("toy", inputs, labels)
    with pytest.raises(ValueError, match=message):
        StreamedBatches(examples, **{"batch_size": 10, "seed": 0, **arguments})


def test_a_data_set_chooses_its_batches(arrays):
    inputs, labels, _ = arrays
    images = inputs["image"]
    empty = images[:0], labels[:0]
    data = Dataset("toy", images, labels, *empty, images[:3], labels[:3], num_classes=5)
    plain = training_batches(data, 8, 0)
    assert isinstance(plain, ResidentBatches)
    flipped = training_batches(augmented(data, [Flip()]), 8, 0)
    assert isinstance(flipped, StreamedBatches)
    np.testing.assert_array_equal(flipped.at(3).targets, plain.at(3).targets)
    assert not np.array_equal(flipped.at(3).inputs, plain.at(3).inputs)
    source = ArrayExamples("toy", images, labels)
    streamed = Dataset(
        "toy", *empty, *empty, images[:3], labels[:3], num_classes=5, train_source=source
    )
    assert (streamed.num_train, len(streamed.rows("train"))) == (COUNT, COUNT)
    assert "53 train streamed" in repr(streamed)
    np.testing.assert_array_equal(
        streamed.batches(8, tf.Variable(0)).at(3).inputs, plain.at(3).inputs
    )
    other = ArrayExamples("toy", images[::-1], labels)
    changed = Dataset(
        "toy", *empty, *empty, images[:3], labels[:3], num_classes=5, train_source=other
    )
    assert len({data.fingerprint, streamed.fingerprint, changed.fingerprint}) == 3
