"""Training examples by number, wherever they lie: what streams read."""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bnn.data import nests
from bnn.data.checks import to_int32
from bnn.data.nests import Nest


class Example(NamedTuple):
    """One example, or some with a first axis more."""

    inputs: Nest
    targets: Nest
    weights: Any = None


class ExampleError(ValueError):
    """An example that a stream cannot use; the message names the set and the row."""


class Examples(abc.ABC):
    """N examples, of which any can be read at any time, alone and in any order.

    Args:
      name: what errors call the set.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def take(self, rows: np.ndarray) -> Example:
        """Returns these examples, arrays `[n, ...]`; ExampleError for one that cannot be used."""

    def targets(self, rows: np.ndarray) -> Nest:
        """Returns the targets of these examples, without the inputs where that is less work."""
        return self.take(rows).targets

    def __getitem__(self, row: int) -> Example:
        """Returns one example."""
        one = self.take(np.array([row]))
        return Example(*(None if p is None else nests.mapped(lambda a: a[0], p) for p in one))


class ArrayExamples(Examples):
    """Examples in arrays `[N, ...]`, or in what gives arrays for `values[rows]` (`NpyRows`).

    Args:
      name: what errors call the set.
      inputs: nest of them.
      targets: nest of them.
      weights: float32 `[N]`, or None.
      rows: which of the arrays' rows these examples are, int64 `[N]`; None: all.
    """

    def __init__(
        self,
        name: str,
        inputs: Nest,
        targets: Nest,
        weights: Any = None,
        rows: np.ndarray | None = None,
    ) -> None:
        super().__init__(name)
        self._parts = (inputs, targets, weights)
        self._rows = rows
        lengths = {
            label: len(values)
            for part, nest in zip(Example._fields, self._parts, strict=True)
            if nest is not None
            for label, values in nests.leaves(part, nest)
        }
        if len(set(lengths.values())) != 1:
            raise ValueError(
                f"{name}: all arrays must have one row an example, got "
                f"{', '.join(f'{n} in {label}' for label, n in lengths.items())}; pair them."
            )
        self._length = next(iter(lengths.values())) if rows is None else len(rows)

    def __len__(self) -> int:
        return self._length

    def targets(self, rows: np.ndarray) -> Nest:
        """Returns the targets of these examples; inputs are not read."""
        own = rows if self._rows is None else self._rows[rows]
        return nests.mapped(lambda values: values[own], self._parts[1])

    def take(self, rows: np.ndarray) -> Example:
        """Returns these examples."""
        own = rows if self._rows is None else self._rows[rows]
        try:
            found = Example(
                *(None if p is None else nests.mapped(lambda a: a[own], p) for p in self._parts)
            )
        except ValueError as error:
            raise ExampleError(f"{self.name}: {error}") from error
        check_finite(self.name, found, own)
        return found


class ItemExamples(Examples):
    """Examples of any source with `__len__` and `__getitem__`.

    TFDS's `data_source`, a Hugging Face data set, ArrayRecord, a list: item i is
    `(inputs, targets)` or `(inputs, targets, weight)`, or becomes that by `convert`. Numbers become
    float32, integers int32.

    Args:
      name: what errors call the set.
      source: of items; opened and read in worker processes, too, so it must be possible to pickle.
      convert: an item to an example; None: items are such.
      rows: which items these examples are, int64 `[N]`; None: all.
    """

    def __init__(
        self,
        name: str,
        source: Any,
        convert: Callable[[Any], Any] | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        super().__init__(name)
        if not hasattr(source, "__len__") or not hasattr(source, "__getitem__"):
            raise ValueError(
                f"{name}: a source must have __len__ and __getitem__, got "
                f"{type(source).__name__}; examples are read by number, not one after the other: "
                f"write them to a file first."
            )
        self._source, self._convert, self._rows = source, convert, rows
        self._items = len(source)
        if not self._items:
            raise ValueError(f"{name}: a source must hold an example, got an empty one.")
        self._spec = _spec(self._example(0 if rows is None else int(rows[0])))

    def __len__(self) -> int:
        return self._items if self._rows is None else len(self._rows)

    def take(self, rows: np.ndarray) -> Example:
        """Returns these examples, stacked."""
        if len(self._source) != self._items:
            raise ExampleError(
                f"{self.name}: the source must keep its length, {self._items} examples, got "
                f"{len(self._source)} now; a source that changes cannot be trained on: write it to "
                f"a new place and start a new run."
            )
        own = rows if self._rows is None else self._rows[rows]
        examples = [self._example(int(row)) for row in own]
        for row, example in zip(own, examples, strict=True):
            self._check_spec(int(row), example)
        stacked = _stacked(examples)
        check_finite(self.name, stacked, own)
        return stacked

    def _example(self, row: int) -> Example:
        try:
            item = self._source[row]
            if self._convert is not None:
                item = self._convert(item)
        except IndexError as error:
            raise ExampleError(
                f"{self.name}: the stream ended early: it says that it has {self._items} examples, "
                f"but row {row} is not there ({error}); correct its length."
            ) from error
        except Exception as error:
            where = getattr(self._source, "where", None)
            place = f" ({where(row)})" if where is not None else ""
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ExampleError(
                f"{self.name}: row {row}{place} cannot be decoded: {reason}; repair the row, or "
                f"leave it out of the source."
            ) from error
        if not isinstance(item, tuple) or len(item) not in (2, 3):
            raise ExampleError(
                f"{self.name}: row {row} must be (inputs, targets) or (inputs, targets, weight), "
                f"got {type(item).__name__}; give a function that makes it so."
            )
        try:
            return Example(*(None if p is None else nests.mapped(_array, p) for p in item))
        except ValueError as error:
            raise ExampleError(f"{self.name}: row {row}: {error}") from error

    def _check_spec(self, row: int, example: Example) -> None:
        seen = _spec(example)
        if seen != self._spec:
            wrong = next((w, s) for w, s in itertools.zip_longest(self._spec, seen) if w != s)
            raise ExampleError(
                f"{self.name}: all items must have one shape and type, {_words(wrong[0])} as in "
                f"the first, got {_words(wrong[1])} in row {row}; crop, pad or resize them."
            )


def check_finite(name: str, examples: Example, rows: np.ndarray) -> None:
    """Raises ExampleError naming the first row with a number that is not finite."""
    for part, nest in zip(Example._fields, examples, strict=True):
        if nest is None:
            continue
        for label, values in nests.leaves(part, nest):
            if values.dtype.kind != "f" or np.isfinite(values).all():
                continue
            bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            raise ExampleError(
                f"{name}: {label} must be finite, got a number that is not in row "
                f"{int(rows[int(np.argmax(bad))])}; repair or drop this row."
            )


def _array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    if array.dtype == np.uint8 and array.ndim:
        return array.astype(np.float32) / 255  # pixels
    return to_int32("the item", "an array", array) if array.dtype.kind in "biu" else array


def _stacked(examples: list[Example]) -> Example:
    def stack(part: int) -> Any:
        first = examples[0][part]
        if first is None:
            return None
        if isinstance(first, dict):
            return {key: np.stack([e[part][key] for e in examples]) for key in first}
        if isinstance(first, tuple):
            return tuple(np.stack([e[part][i] for e in examples]) for i in range(len(first)))
        return np.stack([e[part] for e in examples])

    return Example(stack(0), stack(1), stack(2))


def _spec(example: Example) -> list[tuple[str, tuple[int, ...], str]]:
    return [
        (label, value.shape, value.dtype.name)
        for part, nest in zip(Example._fields, example, strict=True)
        if nest is not None
        for label, value in nests.leaves(part, nest)
    ]


def _words(spec: tuple[str, tuple[int, ...], str] | None) -> str:
    return "nothing" if spec is None else f"{spec[0]} {spec[2]} {spec[1]}"
