"""A data set with augmentation of its training part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import gin
import numpy as np

from bnn.data import nests
from bnn.data.augmentation.base import Draws, Map
from bnn.data.dataset import Dataset
from bnn.data.examples import Example


@gin.register(module="bnn.data")
def augmented(data: Dataset, maps: Sequence[Map], num_workers: int | None = None) -> Dataset:
    """Returns the data set whose training examples go through the maps, one after the other.

    N, the validation and the test part stay as they are. Each map is tried on two examples, so that
    one that does not fit is refused before training.

    Args:
      data: the set.
      maps: such as `[@Flip(), @Crop()]`.
      num_workers: processes that read and augment; None: as the set says, else a thread.

    Raises:
      ValueError: no maps, or one that cannot serve the set.
    """
    wrong = [augment for augment in maps if not isinstance(augment, Map)]
    if not maps or wrong:
        raise ValueError(
            f"maps must be a list of augmentations such as [@Flip()], got "
            f"{repr(wrong[0]) if wrong else 'none'}; leave augmented out for none."
        )
    bound = tuple(augment.bind(data) for augment in maps)
    if data.num_train:
        rows = np.arange(min(2, data.num_train))
        if data.train_source is not None:
            batch = data.train_source.take(rows)
        else:
            take = [nests.mapped(lambda a: a[rows], p) for p in data.part("train")]
            batch = Example(*take)
        for place, augment in enumerate(bound):
            batch = augment(batch, Draws(0, 0, rows, place))
    workers = data.num_workers if num_workers is None else num_workers
    everything = (*data.augmentation, *bound)
    return dataclasses.replace(data, augmentation=everything, num_workers=workers)
