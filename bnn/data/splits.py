"""Splits by a seeded permutation."""

import numpy as np

from bnn.data import arguments


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
