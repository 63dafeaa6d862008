"""How many examples and steps the data of a `fit` hold."""

from __future__ import annotations

import logging
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import repeats


def num_examples(x: Any, options: dict, given: int | None = None) -> int:
    """N, the number of training examples.

    Arrays are counted, less the share of `validation_split`; of a `keras.utils.PyDataset` the
    batches, by the sizes of the first and the last. A `tf.data.Dataset` of at most 100 batches is
    read and counted; of more, every batch counts as the larger of the first two, which is wrong by
    less than one in a hundred where all but one are of one size.

    Args:
      x: as `keras.Model.fit` takes it.
      options: the other arguments of `fit`.
      given: what the caller says N is; wins.

    Raises:
      ValueError: N cannot be known, as of a dataset that repeats its examples, or is not positive.
    """
    if given is not None:
        if not isinstance(given, (int, np.integer)) or given < 1:
            raise ValueError(f"num_train must be a positive integer, got {given!r}.")
        return int(given)
    if isinstance(x, tf.data.Dataset):
        return _in_dataset(x)
    if isinstance(x, keras.utils.PyDataset):
        count = _batches(x.num_batches)
        first, last = (len(keras.tree.flatten(x[i])[0]) for i in (0, count - 1))
        return (count - 1) * first + last
    arrays = keras.tree.flatten(x)
    if x is None or not arrays or not all(hasattr(a, "shape") for a in arrays):
        raise ValueError(_UNKNOWN)
    split = options.get("validation_split") or 0.0
    if options.get("validation_data") is not None:
        split = 0.0
    return math.floor(arrays[0].shape[0] * (1.0 - split))


def steps_an_epoch(x: Any, count: int, options: dict) -> int:
    """Steps of one epoch."""
    if options.get("steps_per_epoch"):
        return int(options["steps_per_epoch"])
    if isinstance(x, tf.data.Dataset):
        return max(int(x.cardinality()), 1)
    if isinstance(x, keras.utils.PyDataset):
        return int(x.num_batches or 1)
    return math.ceil(count / (options.get("batch_size") or 32))


_READ_TO_THE_END = 100  # batches
_UNKNOWN = (
    "num_train must be given: the KL is divided by the number of training examples, which this "
    "data does not tell. Call fit(..., num_train=...)."
)


def _batches(count: Any) -> int:
    if count is None or count < 1:  # unknown or infinite
        raise ValueError(_UNKNOWN)
    return int(count)


def _in_dataset(dataset: tf.data.Dataset) -> int:
    """Examples of a dataset of batches."""
    if repeats(dataset):
        raise ValueError(
            "num_train must be given: the dataset repeats its examples, and the KL is divided by "
            "the number of different ones. Call fit(..., num_train=...)."
        )
    count = _batches(int(dataset.cardinality()))
    static = keras.tree.flatten(dataset.element_spec)[0].shape
    if static.rank and static[0] is not None:
        return count * int(static[0])
    exact = count <= _READ_TO_THE_END
    sizes = [
        int(tf.shape(keras.tree.flatten(element)[0])[0])
        for element in (dataset if exact else dataset.take(2))
    ]
    if not sizes:
        raise ValueError("the training dataset is empty; give it examples.")
    if exact:
        return sum(sizes)
    logging.getLogger("absl").info(
        "num_train counts a last batch of fewer than %d examples as a whole one; give num_train to "
        "be exact.",
        max(sizes),
    )
    return count * max(sizes)
