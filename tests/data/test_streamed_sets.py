from typing import Any

import numpy as np
import pytest

from bnn.data import ExampleError, streamed_dataset, training_batches
from bnn.data.order import batch_rows


class Columns:
    """A source of dicts, as Hugging Face's data sets and TFDS's data sources give them."""

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.RandomState(seed)
        self.image = random.randint(0, 256, (count, 3, 3, 1)).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"image": self.image[row], "label": row % 3, "id": f"n{row}"}


def _convert(item: dict[str, Any]) -> tuple[Any, Any]:
    return item["image"], item["label"]


def test_a_source_of_dicts():
    train, test = Columns(600, 0), Columns(300, 1)
    data = streamed_dataset("toy", train, test, convert=_convert, num_classes=3)
    assert (data.num_train, data.num_valid, data.num_test) == (600, 0, 300)
    np.testing.assert_array_equal(data.x_test, test.image.astype(np.float32) / 255)
    assert data.y_test.tolist() == [row % 3 for row in range(300)]
    batch = training_batches(data, 600, 0).at(0)
    rows = batch_rows(0, batch_size=600, num_train=600, seed=0)
    np.testing.assert_array_equal(batch.inputs, train.image[rows].astype(np.float32) / 255)
    np.testing.assert_array_equal(batch.targets, rows % 3)
    other = streamed_dataset("toy", Columns(600, 2), test, convert=_convert, num_classes=3)
    assert other.fingerprint != data.fingerprint


def test_values_weights_and_a_validation_part():
    items = [(np.full(2, row, float), np.array([row / 10.0]), row + 1.0) for row in range(20)]
    data = streamed_dataset(
        "toy", items, items[:4], items[4:6], target_loc=np.zeros(1), target_scale=np.ones(1)
    )
    assert data.task == "regression"
    assert data.weights("test").tolist() == [1.0, 2.0, 3.0, 4.0]
    batch = data.batches(5, 0).at(0)
    np.testing.assert_array_equal(batch.weights, batch.inputs[:, 0] + 1)


def test_what_does_not_fit_is_named():
    with pytest.raises(ExampleError, match=r"toy: row 0 must be \(inputs, targets\) .* got dict"):
        streamed_dataset("toy", Columns(3, 0), Columns(3, 0), num_classes=3)
    with pytest.raises(ValueError, match=r"labels in y_test must lie in \[0, 2\), got 2 in row 2"):
        streamed_dataset("toy", Columns(3, 0), Columns(3, 0), convert=_convert, num_classes=2)


def test_hugging_face():
    datasets = pytest.importorskip(
        "datasets", reason="needs datasets: pip install 'bnn[huggingface]'"
    )
    pixels = np.random.RandomState(0).randint(0, 256, (30, 2, 2, 1)).astype(np.uint8)
    columns = {"pixels": pixels.tolist(), "label": [i % 3 for i in range(30)]}
    source = datasets.Dataset.from_dict(columns).with_format("numpy", dtype=np.uint8)

    def convert(item):
        return item["pixels"], np.int32(item["label"])

    data = streamed_dataset("hub", source, source, convert=convert, num_classes=3)
    rows = batch_rows(3, batch_size=8, num_train=30, seed=1)
    batch = data.batches(8, 1).at(3)
    np.testing.assert_array_equal(batch.inputs, pixels[rows].astype(np.float32) / 255)
    np.testing.assert_array_equal(batch.targets, rows % 3)


def test_array_record(tmp_path):
    module = pytest.importorskip(
        "array_record.python.array_record_module", reason="needs array_record"
    )
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    x = np.random.RandomState(0).normal(size=(20, 5)).astype(np.float32)
    writer = module.ArrayRecordWriter(str(tmp_path / "x.array_record"), "group_size:1")
    for i in range(20):
        writer.write(np.int32(i % 2).tobytes() + x[i].tobytes())
    writer.close()
    source = ArrayRecordDataSource(str(tmp_path / "x.array_record"))

    def convert(item):
        return np.frombuffer(item[4:], np.float32), np.frombuffer(item[:4], np.int32)[0]

    data = streamed_dataset(
        "records", source, source, convert=convert, num_classes=2, stream_test=True
    )
    assert (len(data.x_test), data.num_test) == (0, 20)
    rows = batch_rows(2, batch_size=6, num_train=20, seed=0)
    batch = data.batches(6, 0).at(2)
    np.testing.assert_array_equal(batch.inputs, x[rows])
    np.testing.assert_array_equal(batch.targets, rows % 2)


def test_a_data_source_of_tensorflow_datasets(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets", reason="needs TensorFlow Datasets")
    builder = tfds.testing.DummyMnist(data_dir=tmp_path, file_format="array_record")
    builder.download_and_prepare()
    train, test = (builder.as_data_source(split=split) for split in ("train", "test"))

    def convert(item):
        return item["image"], item["label"]

    data = streamed_dataset("mnist", train, test, convert=convert, num_classes=10)
    assert data.num_train == len(train) == 20
    rows = batch_rows(1, batch_size=8, num_train=20, seed=0)
    batch = data.batches(8, 0).at(1)
    expected = np.stack([train[int(row)]["image"] for row in rows]).astype(np.float32) / 255
    np.testing.assert_array_equal(batch.inputs, expected)
    np.testing.assert_array_equal(batch.targets, [train[int(row)]["label"] for row in rows])
