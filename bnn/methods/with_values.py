"""Functions that bring values of further variables with them."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf

from bnn.compat import substituted
from bnn.prediction import Functions


class WithValues(Functions):
    """Functions, in each of which further variables have a value of their own.

    Args:
      functions: S of them.
      variables: others than the functions change.
      values: of each variable, at least S, `[≥ S, …]`.
    """

    def __init__(
        self, functions: Functions, variables: Sequence[keras.Variable], values: Sequence[Any]
    ) -> None:
        self.num_samples = functions.num_samples
        own = [tf.convert_to_tensor(value)[: self.num_samples] for value in values]
        self.variables, self._functions = list(variables), functions
        self.arguments = {"functions": functions.arguments, "values": own}

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """The context of one function, its values with it."""
        return self._at(sample, arguments)

    @contextlib.contextmanager
    def _at(self, sample: tf.Tensor, arguments: Any) -> Iterator[None]:
        values = [tf.gather(value, sample) for value in arguments["values"]]
        with (
            substituted(zip(self.variables, values, strict=True)),
            self._functions.at(sample, arguments["functions"]),
        ):
            yield

    @property
    def key(self) -> Hashable:
        """That of the functions, and the variables."""
        return (WithValues, self._functions.key, *(id(v) for v in self.variables))
