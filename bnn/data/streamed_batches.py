"""Batches of data that do not fit into memory: read, augmented and stacked ahead of the steps."""

from __future__ import annotations

import atexit
import concurrent.futures
import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bnn.data import arguments, memory, nests
from bnn.data.augmentation.base import Draws, Map
from bnn.data.batches import Batch, Batches
from bnn.data.examples import Example, Examples
from bnn.data.grain_workers import GrainWorkers
from bnn.data.order import batch_rows

# Steps whose order is computed at once.
_STEPS = 64
# Bytes of the examples of one `take`; twice as much is read ahead and still in use. The C library
# keeps blocks below 32 MB for their next use: larger ones are new pages every time.
_TAKEN = 30 * 2**20


class StepSource:
    """The batch of every step as NumPy arrays: a pure function of the step.

    The order is that of resident data (`bnn.data.batch_indices`), so a streamed run sees the same
    batches. Grain's own shuffle has orders that are correlated from epoch to epoch, by 0.16 where
    chance gives 0.004 (60,000 examples, Grain 0.2.18), so Grain gets steps, not examples.

    Args:
      examples: to draw from.
      maps: augmentation, applied in order.
      batch_size: B.
      seed: of order and augmentation.
      share: `(index, count)`: only the index-th of count equal shares of the batch.
    """

    def __init__(
        self,
        examples: Examples,
        maps: Sequence[Map],
        batch_size: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.examples, self.maps, self.batch_size, self.seed = examples, maps, batch_size, seed
        index, count = share
        size = batch_size // count
        self._share = slice(index * size, (index + 1) * size)
        self._orders: tuple[int, np.ndarray] = -1, np.zeros((0, batch_size), np.int64)

    def __len__(self) -> int:
        return 2**50  # as many steps as anybody takes

    def __getitem__(self, step: int) -> Example:
        """Returns the batch of a step, arrays `[B, ...]`."""
        rows = self._rows(step)
        whole = any(augment.mixes_examples for augment in self.maps)
        if not whole:
            rows = rows[self._share]
        batch = self.examples.take(rows)
        for place, augment in enumerate(self.maps):
            batch = augment(batch, Draws(self.seed, step, rows, place))
        if not whole:
            return batch
        return Example(
            *(None if p is None else nests.mapped(lambda a: a[self._share], p) for p in batch)
        )

    def _rows(self, step: int) -> np.ndarray:
        chunk = step // _STEPS
        if self._orders[0] != chunk:  # a call for many steps costs little more than for one
            steps = np.arange(chunk * _STEPS, (chunk + 1) * _STEPS)
            size, count = self.batch_size, len(self.examples)
            rows = batch_rows(steps, batch_size=size, num_train=count, seed=self.seed)
            self._orders = chunk, rows
        return self._orders[1][step % _STEPS]


class _Piece(NamedTuple):
    """Steps that are read ahead, those before `start` taken already."""

    start: int
    stop: int
    origin: int  # the step that the future's arrays begin with
    future: concurrent.futures.Future


class StreamedBatches(Batches):
    """Batches read when they are needed, some steps ahead, by a thread or by worker processes.

    Equal to those of resident data of the same seed, bit for bit, whatever the number of workers.
    Worker processes (Grain) are started anew, so a script must keep its start under
    `if __name__ == "__main__":`, and what they read must be possible to pickle. They help where
    decoding takes more time than a step; a thread is enough for files of numbers.

    Args:
      examples: N examples.
      batch_size: B, from 1 to N.
      seed: of order and augmentation; 64 bits count.
      maps: augmentation, applied in order.
      num_workers: processes; 0: one thread.
      share: `(index, count)`: only this share of every batch, for worker index of count.

    Raises:
      ImportError: num_workers above 0 without Grain.
      ValueError: an argument outside these bounds.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        seed: int,
        maps: Sequence[Map] = (),
        num_workers: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        arguments.check_integer(
            "batch_size", batch_size, 1, len(examples) + 1, "use at most all examples a step"
        )
        arguments.check_integer(
            "num_workers", num_workers, 0, 257, "0 reads in a thread, 1 a core is the most of use"
        )
        index, count = share
        if not 0 <= index < count or batch_size % count:
            raise ValueError(
                f"share must be (index, count) with index in [0, count) and count a divisor of the "
                f"batch_size, got {share} for {batch_size}; choose another batch_size."
            )
        self.num_train, self.batch_size = len(examples), int(batch_size)
        self.share = int(index), int(count)
        self._source = StepSource(examples, tuple(maps), self.batch_size, int(seed), share)
        self._workers = GrainWorkers(self._source, num_workers) if num_workers else None
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "bnn-stream")
        self._pieces: list[_Piece] = []
        self._usual = 0  # the most steps of a call: so many are read ahead
        atexit.register(_close, weakref.ref(self))

    @functools.cached_property
    def most_steps(self) -> int:
        """Steps of one `take` whose examples hold 30 MB, at least one."""
        one = self._thread.submit(self._source.examples.take, np.arange(1)).result()
        arrays = [
            values for nest in one if nest is not None for _, values in nests.leaves("", nest)
        ]
        size = sum(values.nbytes for values in arrays) * self.batch_size // self.share[1]
        return max(1, _TAKEN // max(1, size))

    def take(self, first_step: int, count: int) -> dict[str, Any]:
        """The examples of `count` steps, `[count, B, …]`; starts to read the next as many.

        Raises:
          ExampleError: a row that cannot be read or is not finite, a source that changed.
          RuntimeError: a worker process died.
        """
        at, last = int(first_step), int(first_step) + int(count)
        self._usual = max(self._usual, int(count))
        pieces = self._pieces
        if pieces and pieces[0].start != at:
            self._drop()
            pieces = []
        parts = []
        while pieces and at < last:
            piece, stop = pieces[0], min(pieces[0].stop, last)
            parts.append(_cut(piece.future.result(), at - piece.origin, stop - piece.origin))
            at, pieces = stop, [piece._replace(start=stop), *pieces[1:]][stop == piece.stop :]
        if at < last:
            parts.append(self._read(at, last - at))
        end, enough = pieces[-1].stop if pieces else last, last + self._usual
        if self._workers is None and end < enough:  # workers read ahead themselves
            future = self._thread.submit(self._read, end, enough - end)
            pieces = [*pieces, _Piece(end, enough, end, future)]
        self._pieces = pieces
        return _tensors(_joined(parts))

    def _drop(self) -> None:
        """Forgets what was read ahead, when it is read."""
        for piece in self._pieces:
            piece.future.cancel()
        concurrent.futures.wait([piece.future for piece in self._pieces])
        self._pieces = []

    def batch(self, row: dict[str, Any]) -> Batch:
        """The batch of one row of `take`."""
        return Batch(row["inputs"], row["targets"], row.get("weights"))

    def full(self) -> Iterator[Batch]:
        """Every training example once, in order, in batches of at most `batch_size`, as it is.

        Without augmentation: what Laplace's curvature and evaluation want is what was observed,
        labels as probabilities where the augmentation makes them such.
        """
        for first in range(0, self.num_train, self.batch_size):
            rows = np.arange(first, min(first + self.batch_size, self.num_train))
            # In the thread, because a source need not bear two readers.
            found = self._thread.submit(self._source.examples.take, rows).result()
            for augment in self._source.maps:
                found = augment.observed(found)
            yield self.batch(_tensors(found))

    def rest(self) -> None:
        """Forgets what was read ahead and ends worker processes; the next `take` starts anew."""
        self._drop()
        if self._workers is not None:
            self._workers.close()

    def close(self) -> None:
        """Ends the thread and the worker processes."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._workers is not None:
            self._workers.close()

    def _read(self, first_step: int, count: int) -> Example:
        """Stacks steps into arrays that tensors share."""
        outs: list[Any] = [None, None, None]
        for place in range(count):
            step = first_step + place
            batch = self._source[step] if self._workers is None else self._workers.at(step)
            for part, nest in enumerate(batch):
                if nest is None:
                    continue
                if not place:
                    outs[part] = nests.mapped(
                        lambda a: memory.empty((count, *a.shape), a.dtype), nest
                    )
                _store(outs[part], nest, place)
        return Example(*outs)


def _mapped(function: Callable[..., Any], *examples: Example) -> Example:
    parts = zip(*examples, strict=True)
    return Example(*(None if p[0] is None else nests.mapped(function, *p) for p in parts))


def _cut(steps: Example, start: int, stop: int) -> Example:
    return _mapped(lambda values: values[start:stop], steps)


def _joined(parts: list[Example]) -> Example:
    """The parts as one; in new arrays where there are several."""
    if len(parts) == 1:
        return parts[0]

    def join(*arrays: np.ndarray) -> np.ndarray:
        size = sum(len(values) for values in arrays)
        return np.concatenate(
            arrays, out=memory.empty((size, *arrays[0].shape[1:]), arrays[0].dtype)
        )

    return _mapped(join, *parts)


def _store(outs: Any, nest: Any, place: int) -> None:
    for (_, out), (_, values) in zip(nests.leaves("", outs), nests.leaves("", nest), strict=True):
        out[place] = values


def _tensors(example: Example) -> dict[str, Any]:
    return {
        part: nests.mapped(memory.to_tensor, nest)
        for part, nest in zip(Example._fields, example, strict=True)
        if nest is not None
    }


def _close(reference: weakref.ref) -> None:
    batches = reference()
    if batches is not None:
        batches.close()
