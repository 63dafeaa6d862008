"""Whether the weights are those of an earlier pass."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

_INTEGERS = {1: tf.int8, 2: tf.int16, 4: tf.int32, 8: tf.int64}


class Stamp:
    """Holds a model and a likelihood to the values of their first use.

    Results that are computed in several passes belong to one network. Of every variable the sum of
    its bits is kept, which is exact whatever the order of the sum.

    Args:
      variables: of the model and the likelihood; predictions leave all of them as they are.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self._variables = [v for v in variables if v.dtype.startswith(("float", "bfloat"))]
        self._first: list[int] | None = None

    def check(self) -> None:
        """Raises ValueError where a variable has changed since the first call."""
        now = [_bits(v) for v in self._variables]
        if self._first is None:
            self._first = now
        changed = [v for v, a, b in zip(self._variables, self._first, now, strict=True) if a != b]
        if changed:
            raise ValueError(
                f"a prediction must be of one network, got other weights ({changed[0].path}) than "
                "those of its results so far; call bnn.predictive again."
            )


def _bits(variable: keras.Variable) -> int:
    value = tf.convert_to_tensor(variable)
    return int(tf.reduce_sum(tf.bitcast(value, _INTEGERS[value.dtype.size])))
