"""How far apart two models' outputs are."""

import keras
import numpy as np


def different(left, right):
    """The largest absolute difference between two nests of arrays."""
    pairs = zip(keras.tree.flatten(left), keras.tree.flatten(right), strict=True)
    return max(
        float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max()) for a, b in pairs
    )
