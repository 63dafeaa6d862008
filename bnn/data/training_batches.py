"""The batches that a data set trains on: resident where it can, streamed where it has to."""

from __future__ import annotations

from bnn.data.batches import Batches, ResidentBatches
from bnn.data.dataset import Dataset
from bnn.data.examples import ArrayExamples
from bnn.data.streamed_batches import StreamedBatches


def training_batches(
    data: Dataset,
    batch_size: int,
    seed: int,
    num_workers: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Batches:
    """Returns the training part's batches: the same examples for the same seed in either form.

    Streamed are sets with a `train_source`, with augmentation, or with weights; all others stay on
    the device.

    Args:
      data: the set.
      batch_size: B.
      seed: of order and augmentation.
      num_workers: processes that read, for streamed data; see `StreamedBatches`.
      share: part of every batch, for streamed data.
    """
    streamed = data.train_source is not None or data.augmentation or data.weights_train is not None
    if not streamed and share == (0, 1):
        return ResidentBatches(data.x_train, data.y_train, batch_size=batch_size, seed=seed)
    examples = data.train_source
    if examples is None:
        examples = ArrayExamples(data.name, data.x_train, data.y_train, data.weights_train)
    return StreamedBatches(examples, batch_size, seed, data.augmentation, num_workers, share)
