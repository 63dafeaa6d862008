"""Targets that a likelihood does not have, refused before `fit` compiles its steps."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.keras_model.heads import has_positions
from bnn.likelihoods import Likelihood
from bnn.prediction import fixed_batch

_NUMBERS = 2**22  # outputs that are looked at together


def refuse_targets_outside(network: keras.Model, likelihood: Likelihood, x: Any, y: Any) -> None:
    """Asks the likelihood for the targets' log-probability where their values are known.

    In a compiled step a target outside of the support has the log-probability NaN and no gradient:
    the others would be trained on, and only the loss would say so. Outputs are zeros of the
    network's shape. Nothing is said of data that come in batches, and of positions, whose masks
    may leave such targets out.

    Args:
      network: built.
      likelihood: p(y | outputs).
      x: inputs, as of `fit`.
      y: targets.

    Raises:
      ValueError: as of the likelihood: labels out of range, negative counts and the like.
    """
    leaves = keras.tree.flatten((x, y))
    if x is None or y is None or has_positions(likelihood):
        return
    if not all(hasattr(leaf, "__array__") and hasattr(leaf, "shape") for leaf in leaves):
        return
    count, few = int(leaves[-1].shape[0]), fixed_batch(network) or 1
    if count < few:
        return
    with keras.StatelessScope():  # states of layers are left as they are
        outputs = network(_rows(x, slice(few)))
    each = sum(math.prod(one.shape[1:]) for one in keras.tree.flatten(outputs))
    size = max(1, _NUMBERS // max(1, each))
    for first in range(0, count, size):
        targets = _rows(y, slice(first, first + size))
        rows = min(size, count - first)
        try:
            likelihood.checked_log_prob(keras.tree.map_structure(_zeros(rows), outputs), targets)
        except ValueError as refused:
            if not first:
                raise
            raise ValueError(f"{refused} Rows are counted from {first}.") from refused


def _zeros(rows: int) -> Any:
    return lambda one: tf.zeros((rows, *one.shape[1:]), one.dtype)


def _rows(values: Any, rows: slice) -> Any:
    return keras.tree.map_structure(lambda leaf: np.asarray(leaf)[rows], values)
