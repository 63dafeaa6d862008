"""The members of a set's stack: every split twice, to choose by and to report."""

from __future__ import annotations

import dataclasses

import numpy as np

from bnn.data import Dataset, uci, uci_num_splits
from experiments.uci.candidates import Settings


@dataclasses.dataclass(frozen=True)
class Member:
    """One training: of a split's training part without its validation rows, or of all of it."""

    split: int  # number of the split
    # False: trained without the validation rows and evaluated on them, to choose by. True:
    # trained on the whole training part and evaluated on the test part, to report
    final: bool
    data: Dataset  # features and target z-scored by the rows that are trained on

    @property
    def inputs(self) -> np.ndarray:
        """Features to predict at, `[B, F]`."""
        return self.data.x_test if self.final else self.data.x_valid

    @property
    def targets(self) -> np.ndarray:
        """Targets to predict, `[B, D]`, in the target's own units."""
        return self.data.to_own_units(self.data.y_test if self.final else self.data.y_valid)


def members(name: str, data_dir: str | None, settings: Settings) -> list[Member]:
    """All members of a set: first those to choose by, then those to report.

    Raises:
      ValueError: a set with more than one target, which the protocol does not have.
    """
    numbers = range(_num_splits(name, data_dir, settings))
    chosen_by = [
        uci(name, s, data_dir, settings.validation_fraction, settings.seed + s) for s in numbers
    ]
    reported = [uci(name, s, data_dir) for s in numbers]
    if reported[0].num_targets != 1:
        raise ValueError(
            f"set {name} must have one target, got {reported[0].num_targets}; the protocol of "
            "this study has a density of one number. List one column in index_target.txt."
        )
    return [
        Member(split, final, data)
        for final, group in ((False, chosen_by), (True, reported))
        for split, data in zip(numbers, group, strict=True)
    ]


def _num_splits(name: str, data_dir: str | None, settings: Settings) -> int:
    found = uci_num_splits(name, data_dir)
    return found if settings.splits is None else min(found, settings.splits)
