"""Examples of a source whose targets are looked at when they are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnn.data import nests
from bnn.data.dataset import Dataset
from bnn.data.examples import Example, ExampleError, Examples

_RULES = {
    "multi_label": "labels of several at a time are 0 or 1",
    "counts": "counts must be whole numbers of at least 0",
}


class CheckedExamples(Examples):
    """The examples of a source; targets that their kind does not have are refused by their row.

    A model would train on them without a word: a label beyond the classes has probability 0, or
    whatever stands behind the last of the classes in memory.

    Args:
      examples: the source.
      kinds: of the targets, in their structure (see `bnn.data.Dataset`).
      num_classes: of labels, in the same structure; None for the other kinds.
    """

    def __init__(self, examples: Examples, kinds: Any, num_classes: Any) -> None:
        super().__init__(examples.name)
        self.examples, self._kinds, self._classes = examples, kinds, num_classes

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, rows: np.ndarray) -> Example:
        """Returns these examples; ExampleError for a target that cannot be."""
        found = self.examples.take(rows)
        # By name: a source may have its targets in another order than the set.
        each = nests.mapped(
            lambda *of: list(of), found.targets, self._kinds, self._classes
        )  # lists, which are no nests
        for label, (values, kind, classes) in nests.leaves("targets", each):
            bad = _bad(values, kind, classes)
            if bad is not None and bad.any():
                of_row = bad.reshape(len(bad), -1).any(axis=1)
                place = int(np.argmax(of_row))
                rule = _RULES.get(kind, f"labels must lie in [0, {classes})")
                raise ExampleError(
                    f"{self.name}: wrong values in {label}: {rule}, got "
                    f"{np.ravel(values[place])[np.ravel(bad[place])][0]} in row "
                    f"{int(rows[place])}; correct this row, or leave it out of the source."
                )
        return found


def checked(data: Dataset, source: Examples) -> Examples:
    """Returns the streamed examples of a part of a set, with a look at their targets."""
    nothing = nests.mapped(lambda _: None, data.y_train)
    classes = {**nothing, **(data.num_classes or {})} if isinstance(nothing, dict) else None
    return CheckedExamples(source, data.kinds, classes or data.num_classes)


def _bad(values: np.ndarray, kind: str, num_classes: int | None) -> np.ndarray | None:
    if kind in ("labels", "label_map"):
        return (values < 0) | (values >= num_classes)
    if kind == "multi_label":
        return (values != 0) & (values != 1)
    return (values < 0) | (values != np.floor(values)) if kind == "counts" else None
