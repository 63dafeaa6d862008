"""Data sets whose test part has given targets."""

import numpy as np

from bnn.data import Dataset


def with_targets(y, **described):
    """A set whose three parts have these targets, and inputs of zeros."""

    def leaf(array):
        kind = np.int32 if np.asarray(array).dtype.kind in "iub" else np.float32
        return np.asarray(array).astype(kind)

    if isinstance(y, dict):
        y = {name: leaf(array) for name, array in y.items()}
        none = {name: array[:0] for name, array in y.items()}
        number = len(next(iter(y.values())))
    else:
        y = leaf(y)
        none, number = y[:0], len(y)
    x = np.zeros((number, 2), np.float32)
    return Dataset("toy", x, y, x[:0], none, x, y, **described)
