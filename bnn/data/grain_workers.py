"""Worker processes and their queues, by Grain; needs the extra `bnn[streams]`."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from typing import Any

import numpy as np

from bnn.data import nests
from bnn.data.examples import Example
from bnn.data.extras import required

# Batches that wait in each worker: enough to hide a slow one, little enough for memory.
_PER_WORKER = 4


class GrainWorkers:
    """Reads the steps of a source in processes, in order, and starts anew at any other step.

    Args:
      source: with `source[step]`, arrays by name; pickled to the workers.
      num_workers: processes.
    """

    def __init__(self, source: Any, num_workers: int) -> None:
        self._grain = required("grain", "streams", "Grain", "num_workers above 0")
        self._steps = self._grain.MapDataset.source(_Flat(source))
        self._structure = source[0]  # a source that cannot be read fails here, in words
        self._num_workers = num_workers
        self._iterator: Any = None
        self._next: int | None = None
        self._processes: set[Any] = set()

    def at(self, step: int) -> Example:
        """Returns the batch of a step; the steps after it are read meanwhile.

        Raises:
          RuntimeError: a worker process died.
        """
        others = None
        if self._iterator is None or self._next != step:
            self.close()
            options = self._grain.MultiprocessingOptions(
                num_workers=self._num_workers, per_worker_buffer_size=_PER_WORKER
            )
            read = self._grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
            steps = self._steps[step:].to_iter_dataset(read)
            others = set(multiprocessing.active_children())
            self._iterator = iter(steps.mp_prefetch(options))
        try:
            flat = next(self._iterator)
            if others is not None:
                self._processes = set(multiprocessing.active_children()) - others
        except RuntimeError as error:
            self.close()
            if "terminated unexpectedly" not in str(error):
                raise
            raise RuntimeError(
                f"a worker process that reads the data died ({str(error).partition('.')[0]}); it "
                f"was killed or ran out of memory: start again with fewer num_workers, or 0."
            ) from error
        self._next = step + 1
        return _nested(self._structure, flat)

    def close(self) -> None:
        """Ends the processes."""
        for process in self._processes:
            process.kill()  # they hold nothing; asked to end, each would take seconds
        if self._iterator is not None:
            self._iterator.close()
        self._iterator, self._processes = None, set()


class _Flat:
    """Examples as one flat dict: what Grain passes between processes."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        parent = multiprocessing.parent_process()
        if parent is not None:
            threading.Thread(target=_end_with, args=(parent.pid,), daemon=True).start()

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        return {
            label: np.ascontiguousarray(values)
            for part, nest in zip(Example._fields, self._source[step], strict=True)
            if nest is not None
            for label, values in nests.leaves(part, nest)
        }


def _end_with(parent: int | None) -> None:
    """Ends this worker when its parent was killed: nobody else would."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _nested(structure: Example, flat: dict[str, Any]) -> Example:
    def part(name: str, nest: Any) -> Any:
        if nest is None:
            return None
        # A copy: what a worker shares is its own again after this.
        values = [np.array(flat[label]) for label, _ in nests.leaves(name, nest)]
        if isinstance(nest, dict):
            return dict(zip(nest, values, strict=True))
        return tuple(values) if isinstance(nest, tuple) else values[0]

    return Example(*(part(n, v) for n, v in zip(Example._fields, structure, strict=True)))
