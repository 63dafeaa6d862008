"""The members of an ensemble: kept one after the other, and mixed in predictions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import substituted
from bnn.prediction import Functions
from bnn.training import Archive, Workers


class Values(NamedTuple):
    """A member that is done.

    Attributes:
      kept: values of the model's and the method's variables.
      entries: of the method's own archive.
    """

    kept: list[np.ndarray]
    entries: list[list[np.ndarray]]


class MemberArchive(Archive):
    """The members of an ensemble, each noted when its block of steps ends.

    Entries are, member by member, those of the method's own archive in the member's own steps, and
    then the member's variables. Where a member ends the next one begins, before a checkpoint is
    saved: the state of that checkpoint is a beginning already.

    Args:
      variables: what a member is.
      ends: the step after which each member is done, rising.
      own: the method's archive, or None.
      begin: gives the state the values of the start of a member, by its number.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        ends: Sequence[int],
        own: Archive | None,
        begin: Callable[[int], None],
    ) -> None:
        between = ends[0] if own is None else min(own.every, ends[0])
        super().__init__(variables, between)
        self.ends, self._own, self._begin = list(ends), own, begin

    def _block(self, step: int) -> tuple[int, int, int]:
        """Number, first and last step of the member that the step before this one trained."""
        for member, end in enumerate(self.ends):
            if step <= end:
                return member, self.ends[member - 1] if member else 0, end
        raise ValueError(f"step must be at most {self.ends[-1]}, got {step}.")

    def next_after(self, step: int) -> int:
        """The first step after `step` where a member ends or its method notes something."""
        if step >= self.ends[-1]:
            return step + 1
        _, begin, end = self._block(step + 1)
        return end if self._own is None else min(end, begin + self._own.next_after(step - begin))

    def note(self, step: int) -> None:
        """Has the method's archive note the member's own step; keeps a member that is done."""
        member, begin, end = self._block(step)
        if self._own is not None:
            before = len(self._own.entries)
            self._own.note(step - begin)
            self.entries += self._own.entries[before:]
        if step != end:
            return
        self.entries.append([v.numpy() for v in self.variables])
        if member + 1 < len(self.ends):
            if self._own is not None:
                self._own.entries.clear()
            self._begin(member + 1)

    def members(self) -> list[Values]:
        """The members that are done."""
        return self._taken_apart()[0]

    def current(self) -> list[list[np.ndarray]]:
        """Entries of the method's archive of the member that is being trained."""
        return self._taken_apart()[1]

    def _taken_apart(self) -> tuple[list[Values], list[list[np.ndarray]]]:
        found: list[Values] = []
        first = 0
        for begin, end in zip([0, *self.ends], self.ends, strict=False):
            last = first + self._notes(end - begin)
            if last >= len(self.entries):
                break
            found.append(Values(self.entries[last], self.entries[first:last]))
            first = last + 1
        return found, self.entries[first:]

    def _notes(self, steps: int) -> int:
        """How many entries the method's archive makes in a block of so many steps."""
        if self._own is None or not self._own.variables:
            return 0
        count, step = 0, self._own.next_after(0)
        while step <= steps:
            count, step = count + 1, self._own.next_after(step)
        return count

    def broadcast(self, workers: Workers) -> None:
        """Gives all workers the chief's entries."""
        (count,) = workers.from_chief([len(self.entries)])
        likes: list[Sequence[keras.Variable]] = []
        for begin, end in zip([0, *self.ends], self.ends, strict=False):
            if self._own is not None:
                likes += [self._own.variables] * self._notes(end - begin)
            likes.append(self.variables)
        if not workers.is_chief:
            self.entries = [[np.zeros_like(v.numpy()) for v in like] for like in likes[:count]]
        for entry in self.entries:
            places = [tf.Variable(value, trainable=False) for value in entry]
            workers.broadcast(places)
            entry[:] = [place.numpy() for place in places]


class Mixture(Functions):
    """Function s is function s // M of member s mod M.

    Args:
      model: whose variables read as the member's.
      members: values of the model's variables, of every member; more values may follow.
      functions: of every member, of one kind; as many of each as the least of them has.
    """

    def __init__(
        self,
        model: keras.Model,
        members: Sequence[Sequence[np.ndarray]],
        functions: Sequence[Functions],
    ) -> None:
        places = [i for i, v in enumerate(model.variables) if "float" in v.dtype]
        self.variables = [model.variables[i] for i in places]
        self.num_members = len(functions)
        self.num_samples = self.num_members * min(f.num_samples for f in functions)
        self.arguments = {
            "weights": [tf.stack([member[i] for member in members]) for i in places],
            "functions": tf.nest.map_structure(_stacked, *(f.arguments for f in functions)),
        }
        self._one = functions[0]
        self._one_key = self._one.key
        self._one.arguments = None  # they are passed in

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """The context of one function of one member."""
        return self._at(sample % self.num_members, sample // self.num_members, arguments)

    @contextlib.contextmanager
    def _at(self, member: Any, number: Any, arguments: Any) -> Iterator[None]:
        own = tf.nest.map_structure(lambda part: tf.gather(part, member), arguments)
        with (
            substituted(zip(self.variables, own["weights"], strict=True)),
            self._one.at(number, own["functions"]),
        ):
            yield

    @property
    def key(self) -> Hashable:
        """The variables, how many members, and what their functions depend on."""
        return (Mixture, self.num_members, self._one_key, *(id(v) for v in self.variables))


def assign(variables: Sequence[keras.Variable], values: Sequence[Any]) -> None:
    """Gives the first variables these values, as many as there are of them."""
    for variable, value in zip(variables, values, strict=False):
        variable.assign(value)


def _stacked(*parts: tf.Tensor) -> tf.Tensor:
    """`[M, …]`; stored functions of which members have different numbers are cut to the least."""
    parts = tuple(tf.convert_to_tensor(part) for part in parts)
    if len({tuple(part.shape) for part in parts}) > 1:
        least = min(part.shape[0] for part in parts)
        parts = tuple(part[:least] for part in parts)
    return tf.stack(parts)
