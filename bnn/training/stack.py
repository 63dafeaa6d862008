"""Many copies of one model, trained side by side in one vectorised computation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import register_bitcast

register_bitcast()


class Stack:
    """K members of one model: for each of its variables, one variable `[K, …]` with their values.

    A network of fifty units spends its time in the overhead of small operations. K of them, such
    as the splits of a benchmark, folds, seeds or restarts, cost little more than one when every
    operation does all of them at once.

    Args:
      variables: of the model and whatever else is trained (learned noise); they lend names, shapes
        and their place in the computation, and keep their values.
      values: for each variable, the K members' values `[K, …]`.

    Raises:
      ValueError: values whose number or shapes do not fit the variables.
    """

    def __init__(self, variables: Sequence[keras.Variable], values: Sequence[Any]) -> None:
        self.variables = list(variables)
        arrays = [np.asarray(value) for value in values]
        if not arrays or len(arrays) != len(self.variables):
            raise ValueError(
                f"values must hold one array per variable, at least one, got {len(arrays)} for "
                f"{len(self.variables)} variables; bnn.training.stacked_values makes them."
            )
        self.size = len(arrays[0]) if arrays[0].ndim else 0
        for variable, array in zip(self.variables, arrays, strict=True):
            if not self.size or array.shape != (self.size, *variable.shape):
                raise ValueError(
                    f"values of variable {variable.path!r} must be of shape [K, "
                    f"{', '.join(map(str, variable.shape))}] with the same K of at least 1 for "
                    f"all, got {array.shape}; stack the members along a new first axis."
                )
        self.values = [
            keras.Variable(array, dtype=variable.dtype, name=f"{variable.name}_stack")
            for variable, array in zip(self.variables, arrays, strict=True)
        ]

    def load(self, member: int) -> None:
        """Gives the model's own variables the values of one member, to use it with any tool.

        Raises:
          ValueError: no such member.
        """
        if not 0 <= member < self.size:
            raise ValueError(f"member must be from 0 to {self.size - 1}, got {member}.")
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value[member])

    def map(self, function: Callable[..., Any], *stacked: Any) -> Any:
        """function(*slices) of every member, its values in the variables' place: results `[K, …]`.

        Args:
          function: of tensors; what it reads of `variables` is the member's. It must not change
            any Keras variable.
          *stacked: nests of tensors `[K, …]`, of which a member's call gets its slices `[…]`.

        Raises:
          ValueError: the function changes a variable.
        """
        values = [tf.convert_to_tensor(v) for v in self.values]
        return tf.vectorized_map(
            lambda arguments: self._in_place(function, *arguments),
            (values, stacked),
            fallback_to_while_loop=False,
        )

    def _in_place(
        self, function: Callable[..., Any], values: list[tf.Tensor], slices: tuple
    ) -> Any:
        """Calls the function with these values in the variables' place."""
        pairs = list(zip(self.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=pairs) as scope:
            before = dict(scope.state_mapping)
            result = function(*slices)
        if any(before.get(key) is not value for key, value in scope.state_mapping.items()):
            raise ValueError(
                "a stacked function must not change variables, and this one does (moving averages, "
                "seed generators or an estimator's baseline do): their new values would be lost. "
                "Use layers and estimators without such state, or train the members one by one."
            )
        return result


def stacked_values(members: Sequence[Sequence[keras.Variable]]) -> list[np.ndarray]:
    """Values `[K, …]` of each variable, from the variables of K models of the same kind."""
    return [np.stack([v.numpy() for v in column]) for column in zip(*members, strict=True)]


def padded(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays `[N_k, …]` as one `[K, max N, …]`, zeros after the end of each."""
    longest = max(len(a) for a in arrays)
    width = [[0, 0]] * (arrays[0].ndim - 1)
    return np.stack([np.pad(a, [[0, longest - len(a)], *width]) for a in arrays])
