"""Batches as a pure function of the step: any step can be taken again, alone and in any order."""

from __future__ import annotations

import abc
import copy
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from bnn.data import memory
from bnn.data.batching import batch_indices


class Batch(NamedTuple):
    """The examples of one step, or a replica's share of them.

    Attributes:
      inputs: nest of tensors `[B, …]`.
      targets: nest of tensors `[B]` or `[B, …]`.
      weights: of the examples, `[B]`, or None.
      member: what tells one member of a stack of models from the others, see `StackedBatches`.
    """

    inputs: Any
    targets: Any
    weights: Any = None
    member: Any = None


class Batches(abc.ABC):
    """The batch of every step, made in two halves.

    `take` runs outside of the compiled steps and names the examples of many steps at once (resident
    data: their indices) or fetches them (streamed data); `batch` runs inside, once a step.

    Attributes:
      num_train: N, what the KL is divided by.
      batch_size: B, examples per step.
      ahead: rows that no step reads cost nothing, so that all calls may have one length.
      share: `(index, count)`: batches are the index-th of count equal shares of the global ones,
        of `batch_size` examples; a worker process then reads no more than its replicas need.
    """

    num_train: int
    batch_size: int
    ahead: bool = False
    share: tuple[int, int] = (0, 1)

    @abc.abstractmethod
    def take(self, first_step: int, count: int) -> Any:
        """What the steps from `first_step` need: a nest of tensors `[count, B, …]`."""

    @abc.abstractmethod
    def batch(self, row: Any) -> Batch:
        """The batch of one row of `take`, or of a slice of its examples."""

    @property
    def most_steps(self) -> int:
        """Steps of one `take` whose examples are not too large to be in memory at once."""
        return 2**31

    def rest(self) -> None:  # noqa: B027  (nothing reads ahead here)
        """Ends what reads ahead, and its processes, until the next `take`."""

    @property
    def resident(self) -> Any:
        """Nest of the tensors that `batch` reads and that stay on the device; () where none."""
        return ()

    def holding(self, resident: Any) -> Batches:
        """These batches with other tensors as `resident`: a replica's copy, a member's slice."""
        del resident
        return self

    def at(self, step: int) -> Batch:
        """The batch of one step, outside of the compiled steps."""
        return self.batch(tf.nest.map_structure(lambda part: part[0], self.take(step, 1)))

    @abc.abstractmethod
    def full(self) -> Iterator[Batch]:
        """Every training example once, in order, in batches of at most `batch_size`."""


class ResidentBatches(Batches):
    """Examples that stay in the device's memory; a step moves its B indices and nothing else.

    Args:
      inputs: all training inputs, nest of arrays `[N, …]`.
      targets: all training targets, nest of arrays `[N, …]`.
      batch_size: B, from 1 to N.
      seed: of the order, see `bnn.data.batch_indices`; int, or integer variable.
    """

    ahead = True

    def __init__(self, inputs: Any, targets: Any, *, batch_size: int, seed: Any) -> None:
        arrays = {"inputs": inputs, "targets": targets}
        self._arrays = tf.nest.map_structure(memory.to_tensor, arrays)
        self.num_train = len(tf.nest.flatten(inputs)[0])
        self.batch_size = int(batch_size)
        self._seed = seed
        # Integers only, where XLA always wins: one kernel for hundreds of operations. A call of
        # its own, because other kernels of data order do not run under XLA.
        self._indices = tf.function(self._order, autograph=False, jit_compile=True)

    def _order(self, first_step: tf.Tensor, count: int) -> tf.Tensor:
        steps = first_step + tf.range(count, dtype=tf.int64)
        return batch_indices(
            steps, batch_size=self.batch_size, num_train=self.num_train, seed=self._seed
        )

    def take(self, first_step: int, count: int) -> tf.Tensor:
        """Indices of the examples, int32 `[count, B]`."""
        return self._indices(tf.constant(first_step, tf.int64), count)

    def batch(self, row: tf.Tensor) -> Batch:
        """The examples of these indices."""
        found = tf.nest.map_structure(lambda part: tf.gather(part, row), self._arrays)
        return Batch(found["inputs"], found["targets"])

    @property
    def resident(self) -> dict[str, Any]:
        """All inputs and targets."""
        return self._arrays

    def holding(self, resident: dict[str, Any]) -> ResidentBatches:
        """The same order of other copies of the examples."""
        held = copy.copy(self)
        held._arrays = resident
        return held

    def full(self) -> Iterator[Batch]:
        """Every training example once, in the order of the arrays."""
        for first in range(0, self.num_train, self.batch_size):
            part = slice(first, first + self.batch_size)
            found = tf.nest.map_structure(operator.itemgetter(part), self._arrays)
            yield Batch(found["inputs"], found["targets"])


class StackedBatches(Batches):
    """A batch of its own for every one of K members of a `bnn.training.Stack`.

    Args:
      inputs: training inputs `[K, N, …]`; rows that no index names may be padding.
      targets: training targets `[K, N, …]`.
      indices: steps `[T]` to the members' training examples `[T, K, B]`.
      members: nest of arrays `[K, …]`, what else tells members apart: seeds, numbers of examples.
        A member finds its slices in `Batch.member`.
    """

    ahead = True

    def __init__(self, inputs: Any, targets: Any, indices: Any, members: Any = None) -> None:
        arrays = {
            "inputs": inputs,
            "targets": targets,
            "members": {} if members is None else members,
        }
        self._arrays = tf.nest.map_structure(tf.convert_to_tensor, arrays)
        self._indices = indices
        self.num_train = int(tf.nest.flatten(inputs)[0].shape[1])
        self.batch_size = 0  # known with the first indices

    def take(self, first_step: int, count: int) -> tf.Tensor:
        """Indices of the members' examples, `[count, K, B]`."""
        return self._indices(tf.range(first_step, first_step + count, dtype=tf.int64))

    def batch(self, row: tf.Tensor) -> Batch:
        """One member's examples; of `holding` its slices."""
        pick = lambda part: tf.gather(part, row)  # noqa: E731
        return Batch(
            tf.nest.map_structure(pick, self._arrays["inputs"]),
            tf.nest.map_structure(pick, self._arrays["targets"]),
            member=self._arrays["members"],
        )

    @property
    def resident(self) -> dict[str, Any]:
        """Inputs, targets and members, `[K, …]`."""
        return self._arrays

    def holding(self, resident: dict[str, Any]) -> StackedBatches:
        """The same batches of other arrays."""
        held = copy.copy(self)
        held._arrays = resident
        return held

    def full(self) -> Iterator[Batch]:
        """Refused: members have data of their own.

        Raises:
          ValueError: always.
        """
        raise ValueError("a stack has no one training set; take a member's own batches.")
