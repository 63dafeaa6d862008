"""Location and scale of training data, and their use; nothing here copies a large array."""

import numpy as np

from bnn.data import memory


def columns(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of every column, float64 `[C]`; scale 1 if constant.

    Squares are added block by block: above 2²⁰ values the result differs by rounding, some 1e-15
    of its size, from `np.std`.
    """
    constant = values.min(axis=0) == values.max(axis=0)
    with np.errstate(over="ignore"):
        mean = values.mean(axis=0, dtype=np.float64)
    # The mean of a constant column differs from the constant by rounding, and no scale would
    # hide it: take the constant itself, so that the column becomes exactly 0.
    loc = np.where(constant, values[0].astype(np.float64), mean)
    squares = np.zeros(values.shape[1:])
    with np.errstate(over="ignore", invalid="ignore"):
        for part in memory.blocks(values):
            squares += np.square(values[part] - mean, dtype=np.float64).sum(axis=0)
    scale = np.where(constant, 1.0, np.sqrt(squares / len(values)))
    beyond = ~(np.isfinite(loc) & np.isfinite(scale) & (scale > 0))
    if beyond.any():  # squares below 1e-308 or above 1e308
        loc[beyond], scale[beyond] = _relative(values[..., beyond])
    return loc, scale


def _relative(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of columns that vary, by numbers of about 1."""
    unit = np.abs(values).max(axis=0).astype(np.float64)
    relative = values / unit
    return relative.mean(axis=0) * unit, relative.std(axis=0) * unit


def all_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of all values, float64 `[]`; scale 1 if constant."""
    loc = values.mean(dtype=np.float64)
    # In blocks, because a float64 copy of an image set would double its memory twice.
    blocks = np.array_split(values, 64)
    squares = sum(float(np.square(block - loc, dtype=np.float64).sum()) for block in blocks)
    constant = values.min() == values.max()
    return np.asarray(loc), np.asarray(1.0 if constant else np.sqrt(squares / values.size))


def standardize(values: np.ndarray, loc: np.ndarray | None, scale: np.ndarray | None) -> np.ndarray:
    """Returns `(values - loc) / scale` as float32; loc None: the values as float32.

    One number each is used in the values' own type, a number a column in float64.
    """
    if loc is None or scale is None:
        with np.errstate(over="ignore"):  # an overflow becomes inf, which Dataset reports by row
            return values.astype(np.float32, copy=False)
    out = memory.empty(values.shape)
    return _standardize_into(out, values, loc, scale)


def standardize_in_place(
    values: np.ndarray, loc: np.ndarray | None, scale: np.ndarray | None
) -> np.ndarray:
    """As `standardize`, for a float32 array that is ours to change; returns it."""
    if loc is None or scale is None:
        return values
    return _standardize_into(values, values, loc, scale)


def _standardize_into(
    out: np.ndarray, values: np.ndarray, loc: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    # Python numbers keep a float32 image set in float32.
    single = np.ndim(loc) == 0
    shift, unit = (loc.item(), scale.item()) if single else (loc, scale)
    with np.errstate(over="ignore"):
        for part in memory.blocks(values):
            out[part] = (values[part] - shift) / unit
    return out
