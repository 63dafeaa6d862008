"""The batches that a data set trains on: resident where it can, streamed where it has to."""

from __future__ import annotations

from typing import Any

from bnn.data.batches import Batches, ResidentBatches
from bnn.data.checked_examples import checked
from bnn.data.dataset import Dataset
from bnn.data.examples import ArrayExamples
from bnn.data.streamed_batches import StreamedBatches


def is_streamed(data: Dataset) -> bool:
    """Returns whether the training part's batches are streamed."""
    held = data.train_source is None and data.weights_train is None
    return not held or bool(data.augmentation)


def training_batches(
    data: Dataset,
    batch_size: int,
    seed: Any,
    num_workers: int | None = None,
    share: tuple[int, int] = (0, 1),
) -> Batches:
    """Returns the training part's batches: the same examples for the same seed in either form.

    Streamed are sets with a `train_source`, with augmentation, or with weights; all others stay on
    the device.

    Args:
      data: the set.
      batch_size: B.
      seed: of order and augmentation, int or integer variable.
      num_workers: processes that read, for streamed data; None: the set's own.
      share: part of every batch, for streamed data.
    """
    if not is_streamed(data) and share == (0, 1):
        return ResidentBatches(data.x_train, data.y_train, batch_size=batch_size, seed=seed)
    if data.train_source is not None:
        examples = checked(data, data.train_source)
    else:
        examples = ArrayExamples(data.name, data.x_train, data.y_train, data.weights_train)
    workers = data.num_workers if num_workers is None else num_workers
    return StreamedBatches(examples, batch_size, int(seed), data.augmentation, workers, share)
