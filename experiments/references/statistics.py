"""Means of correlated draws with their standard errors, and whether two agree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_BLOCKS = 20


class Estimate(NamedTuple):
    """Means `[P]` and their standard errors `[P]`."""

    value: np.ndarray
    error: np.ndarray

    def against(self, other: Estimate) -> np.ndarray:
        """The z of the difference from another, independent one."""
        return (self.value - other.value) / np.hypot(self.error, other.error)


def of_blocks(draws: np.ndarray) -> Estimate:
    """The mean of draws `[chains, draws, P]`, its error by the means of 20 blocks of each chain.

    Batch means (Geyer 1992): blocks much longer than the draws are correlated are independent.
    """
    chains, number, size = draws.shape
    used = number - number % _BLOCKS
    blocks = draws[:, :used].reshape(chains * _BLOCKS, -1, size).mean(1)
    return Estimate(blocks.mean(0), blocks.std(0, ddof=1) / np.sqrt(len(blocks)))


def deviation_of_blocks(draws: np.ndarray) -> Estimate:
    """The standard deviation of draws, by the delta method on their squares about the mean."""
    squares = of_blocks(np.square(draws - draws.mean((0, 1))))
    root = np.sqrt(squares.value)
    return Estimate(root, squares.error / (2 * root))
