"""Location and scale of training data, and their use."""

import numpy as np


def columns(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of every column, float64 `[C]`; scale 1 if constant."""
    constant = values.min(axis=0) == values.max(axis=0)
    exact = values.astype(np.float64)
    # The mean of a constant column differs from the constant by rounding, and no scale would
    # hide it: take the constant itself, so that the column becomes exactly 0.
    loc = np.where(constant, exact[0], exact.mean(axis=0))
    return loc, np.where(constant, 1.0, exact.std(axis=0))


def all_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of all values, float64 `[]`; scale 1 if constant."""
    loc = values.mean(dtype=np.float64)
    # In blocks, because a float64 copy of an image set would double its memory twice.
    blocks = np.array_split(values, 64)
    squares = sum(float(np.square(block - loc, dtype=np.float64).sum()) for block in blocks)
    constant = values.min() == values.max()
    return np.asarray(loc), np.asarray(1.0 if constant else np.sqrt(squares / values.size))


def standardize(values: np.ndarray, loc: np.ndarray | None, scale: np.ndarray | None) -> np.ndarray:
    """Returns `(values - loc) / scale` as float32; loc None: the values as float32."""
    with np.errstate(over="ignore"):  # an overflow becomes inf, which Dataset reports by row
        if loc is None or scale is None:
            return values.astype(np.float32, copy=False)
        if loc.ndim == 0:  # Python numbers keep a float32 image set in float32
            return ((values - loc.item()) / scale.item()).astype(np.float32, copy=False)
        return ((values - loc) / scale).astype(np.float32)
