"""The batches that a data set trains on: resident where it can, streamed where it has to."""

from __future__ import annotations

from typing import Any

from bnn.data.batches import Batches, ResidentBatches
from bnn.data.dataset import Dataset
from bnn.data.examples import ArrayExamples
from bnn.data.streamed_batches import StreamedBatches


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
    streamed = data.train_source is not None or data.augmentation or data.weights_train is not None
    if not streamed and share == (0, 1):
        return ResidentBatches(data.x_train, data.y_train, batch_size=batch_size, seed=seed)
    examples = data.train_source
    if examples is None:
        examples = ArrayExamples(data.name, data.x_train, data.y_train, data.weights_train)
    workers = data.num_workers if num_workers is None else num_workers
    return StreamedBatches(examples, batch_size, int(seed), data.augmentation, workers, share)
