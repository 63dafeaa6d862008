"""The processes that train one run together, and what they have to agree on."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

_TASK = re.compile(r"/job:worker/replica:\d+/task:(\d+)")
# What a collective operation raises when a member of the group is gone.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class WorkerFailedError(RuntimeError):
    """Another worker of the group has ended or cannot be reached."""


class Workers:
    """The group of processes, in which worker 0, the chief, keeps the run's folder.

    Args:
      strategy: over all workers; None for a process of its own.
      index: number of this worker.
      addresses: of all workers.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy | None = None,
        index: int = 0,
        addresses: Sequence[str] = ("",),
    ) -> None:
        self.index = index
        self.count = len(addresses)
        self._strategy = strategy if self.count > 1 else None
        self._addresses = tuple(addresses)
        self._reduce = tf.function(self._all_reduce, autograph=False, reduce_retracing=True)

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run's files."""
        return self.index == 0

    def sum(self, values: Sequence[int]) -> list[int]:
        """Sums over the workers, the same list on each; a meeting point of all workers."""
        if self._strategy is None:
            return [int(value) for value in values]
        return [int(total) for total in self._total(np.asarray(values, np.int64))]

    def from_chief(self, values: Sequence[int]) -> list[int]:
        """The chief's values on every worker."""
        return self.sum(values if self.is_chief else [0] * len(values))

    def broadcast(self, variables: Sequence[keras.Variable | tf.Variable]) -> None:
        """Gives every variable the chief's value, to the bit."""
        if self._strategy is None:
            return
        arrays = [np.asarray(v.numpy()) for v in variables]
        flat = np.concatenate([_words(a) for a in arrays])
        total = self._total(flat if self.is_chief else np.zeros_like(flat))
        ends = np.cumsum([len(_words(a)) for a in arrays])
        parts = np.split(total.astype(np.int32), ends[:-1])
        for variable, array, part in zip(variables, arrays, parts, strict=True):
            variable.assign(_array(part, array))

    @contextlib.contextmanager
    def named_failures(self) -> Iterator[None]:
        """Turns what TensorFlow raises when a worker is gone into an error that names it.

        Raises:
          WorkerFailedError: another worker has ended or cannot be reached.
        """
        try:
            yield
        except _GONE as error:
            if self._strategy is None:
                raise
            raise WorkerFailedError(self._message(str(error))) from error

    def _message(self, text: str) -> str:
        others = sorted({int(n) for n in _TASK.findall(text)} - {self.index})
        if not others and self.count == 2:
            others = [1 - self.index]
        known = [n for n in others if n < self.count]
        who = " or ".join(f"worker {n} ({self._addresses[n]})" for n in known)
        return (
            f"{who or 'another worker'} of {self.count} has ended or cannot be reached, as seen "
            f"by worker {self.index}; see its own message. The same command, started on all "
            "workers, continues from the last checkpoint."
        )

    def _total(self, values: np.ndarray) -> np.ndarray:
        assert self._strategy is not None
        mine = self._strategy.experimental_distribute_values_from_function(
            lambda _: tf.constant(values)
        )
        total = self._strategy.experimental_local_results(self._reduce(mine))[0].numpy()
        local = self._strategy.num_replicas_in_sync // self.count  # each replica has added its own
        return total // local

    def _all_reduce(self, values: tf.Tensor) -> tf.Tensor:
        def one(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            here = tf.identity(value)  # on the replica's device, which an argument does not name
            return context.all_reduce(tf.distribute.ReduceOp.SUM, here)

        assert self._strategy is not None
        return self._strategy.run(one, args=(values,))


def _words(array: np.ndarray) -> np.ndarray:
    """An array's bits as 64-bit integers that hold 32 bits each: sums of one value are exact."""
    if array.dtype.itemsize % 4:  # half precision and booleans, through a type that holds them
        array = array.astype(np.float32)
    return np.atleast_1d(array).ravel().view(np.int32).astype(np.int64)


def _array(words: np.ndarray, like: np.ndarray) -> np.ndarray:
    stored = np.float32 if like.dtype.itemsize % 4 else like.dtype
    return words.view(stored).astype(like.dtype).reshape(like.shape)
