"""Data sets of sources that are read by number: TFDS, Hugging Face, ArrayRecord, one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bnn.data import nests
from bnn.data.dataset import Dataset
from bnn.data.examples import Example, Examples, ItemExamples
from bnn.data.nests import Nest

# Examples of the validation and test part read at once.
_CHUNK = 256


def streamed_dataset(
    name: str,
    train: Any,
    test: Any,
    valid: Any = None,
    *,
    convert: Callable[[Any], Any] | None = None,
    num_workers: int = 0,
    stream_test: bool = False,
    **fields: Any,
) -> Dataset:
    """Returns a Dataset whose training part is streamed; the other parts are read now.

    Every source has `__len__` and `__getitem__`: `tfds.data_source("mnist", split="train")`,
    `datasets.load_dataset(…)["train"]`, `array_record.python.array_record_data_source`, a list, or
    `Examples` of one's own. Values as targets must come standardised, `[D]` an example, with
    target_loc and target_scale among the fields.

    Args:
      name: of the set.
      train: source of the training part.
      test: source of the test part.
      valid: source of the validation part, or None.
      convert: an item to `(inputs, targets)` or `(inputs, targets, weight)`; None: items are such.
        For worker processes a function of a module, not of a function.
      num_workers: processes that read and convert; 0: a thread.
      stream_test: read the test part when it is needed, too, block by block.
      **fields: of Dataset, such as num_classes, or rows_test where train and test are splits of
        one source: comparisons of several splits need the examples' numbers in it.

    Raises:
      ExampleError: an example that cannot be used, by its row.
      ValueError: no source, or what Dataset refuses.
    """
    examples = _examples(name, train, convert)
    one = examples.take(np.arange(1))
    tested = _examples(name, test, convert)
    read = {
        "test": _empty(one) if stream_test else _everything(tested),
        "valid": _empty(one) if valid is None else _everything(_examples(name, valid, convert)),
        "train": _empty(one),
    }
    for part, found in read.items():
        fields |= {f"x_{part}": found.inputs, f"y_{part}": found.targets}
        fields[f"weights_{part}"] = found.weights if len(nests.first(found.targets)) else None
    fields["test_source"] = tested if stream_test else None
    return Dataset(name=name, train_source=examples, num_workers=num_workers, **fields)


def _examples(name: str, source: Any, convert: Callable[[Any], Any] | None) -> Examples:
    return source if isinstance(source, Examples) else ItemExamples(name, source, convert)


def _everything(examples: Examples) -> Example:
    chunks = [
        examples.take(np.arange(first, min(first + _CHUNK, len(examples))))
        for first in range(0, len(examples), _CHUNK)
    ]

    def joined(first: Nest, *others: Nest) -> Nest:
        return nests.mapped(lambda *parts: np.concatenate(parts), first, *others)

    return Example(*(None if p[0] is None else joined(*p) for p in zip(*chunks, strict=True)))


def _empty(one: Example) -> Example:
    return Example(*(None if p is None else nests.mapped(lambda a: a[:0], p) for p in one))
