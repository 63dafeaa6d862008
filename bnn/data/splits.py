"""Splits by a seeded permutation, or by what a column says."""

from collections.abc import Sequence

import numpy as np

from bnn.data import arguments

PARTS = ("train", "valid", "test")
Rows = dict[str, np.ndarray]


def split_validation(
    num_examples: int, validation_fraction: float, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows to train on and the rows to validate on: int64, ascending, disjoint.

    `round(validation_fraction * num_examples)` rows, chosen by a permutation that depends on
    `seed` and `num_examples` alone, are held out.

    Raises:
      ValueError: a fraction outside [0, 1), a seed outside [0, 2**32), or a fraction that leaves
        no row on either side.
    """
    arguments.check_fraction("validation_fraction", validation_fraction, zero=True)
    return random_split("validation_fraction", num_examples, validation_fraction, seed=seed)


def random_split(
    argument: str, num_examples: int, fraction: float, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows to keep and the rows to hold out; `argument` names the fraction in errors.

    Raises:
      ValueError: a seed outside [0, 2**32), or a fraction that leaves no row on either side.
    """
    arguments.check_seed(seed)
    count = round(fraction * num_examples)
    if fraction > 0 and not 0 < count < num_examples:
        raise ValueError(
            f"{argument} must hold out at least one of the {num_examples} rows and leave at least "
            f"one, got {fraction!r}, which holds out {count}; change it."
        )
    # RandomState, because NumPy promises its stream for good; a Generator's may change.
    order = np.random.RandomState(seed).permutation(num_examples)
    return np.sort(order[count:]), np.sort(order[:count])


def split_by_fraction(
    num_examples: int, test_fraction: float, validation_fraction: float, *, seed: int
) -> Rows:
    """Returns the rows of every part, int64, ascending: the test part of all, then the validation.

    `validation_fraction` is of the rows that the test part leaves.

    Raises:
      ValueError: a fraction outside [0, 1), a seed outside [0, 2**32), or an empty part.
    """
    arguments.check_fraction("test_fraction", test_fraction, zero=True)
    rest, test = random_split("test_fraction", num_examples, test_fraction, seed=seed)
    train, valid = split_validation(len(rest), validation_fraction, seed=seed)
    return {"train": rest[train], "valid": rest[valid], "test": test}


def split_by_column(name: str, column: str, values: Sequence[object] | np.ndarray) -> Rows:
    """Returns the rows of every part, int64, ascending, by a column with the parts' names.

    Raises:
      ValueError: another value than "train", "valid" or "test", or no row to train or to test on.
    """
    texts = np.array([str(value).strip() for value in values], object)
    wrong = ~np.isin(texts, PARTS)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{name}: the split column {column!r} must hold {', '.join(PARTS)}, got "
            f"{texts[row]!r} in row {row} ({int(wrong.sum())} such rows); correct these rows."
        )
    rows = {part: np.flatnonzero(texts == part).astype(np.int64) for part in PARTS}
    for part in ("train", "test"):
        if not len(rows[part]):
            raise ValueError(
                f"{name}: the split column {column!r} must leave rows in the part {part!r}, got "
                f"none of {len(texts)}; mark some, or split by test_fraction."
            )
    return rows
