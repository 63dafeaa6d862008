"""What of a pass stays for showing: the first inputs' mixtures, a few numbers each."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.likelihoods import ClassMixture, Mixture
from bnn.predictive.quantities import in_order, moments

SHOWN = 5  # inputs


class FirstRows:
    """The mixtures of the first five inputs, which need no further pass for their intervals.

    Args:
      coupled: samples that depend on each other, for the errors of moments.
    """

    def __init__(self, coupled: int) -> None:
        self._coupled, self._pieces = coupled, list[tuple[np.ndarray, Mixture]]()

    def moments(self, at: np.ndarray, mixture: Mixture | ClassMixture) -> list[Any]:
        """The moments of a block, of which the first inputs are kept; none of classes.

        Args:
          at: numbers of the block's inputs, `[B]`.
          mixture: of the block.
        """
        places = np.flatnonzero(at < SHOWN)
        if len(places) and not isinstance(mixture, ClassMixture):
            piece = copy.copy(mixture)
            piece.parameters = tuple(
                p if p.shape[1] == 1 else tf.gather(p, places, axis=1) for p in mixture.parameters
            )
            piece.log_weights = tf.gather(mixture.log_weights, places, axis=1)
            self._pieces.append((at[places], piece))
        return moments(mixture, self._coupled)

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """The central interval of that mass: lower and upper ends, `[n, D]` each."""
        each = [(at, np.stack(piece.interval(level), axis=1)) for at, piece in self._pieces]
        lower, upper = np.moveaxis(in_order(each), 1, 0)
        return lower, upper
