"""Classes that count more or less than their number of examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import gin
import numpy as np

from bnn.data.dataset import Dataset
from bnn.data.examples import Example, Examples

_CHUNK = 4096


@gin.register(module="bnn.data")
def class_weighted(
    data: Dataset, weights: Sequence[float] | Literal["balanced"] = "balanced"
) -> Dataset:
    """Returns the data set whose training examples count as their class does.

    The log-likelihood of example n becomes w(yₙ) log p(yₙ | xₙ). "balanced" weights, after King
    and Zeng (2001), "Logistic regression in rare events data", section 4.2,

        w(c) = N / (C N_c),

    give every class the same total weight N / C; they sum to N, so that the KL keeps its share.
    What is inferred is the posterior of a population in which classes are equally frequent:
    predicted probabilities are of that one, and metrics of the test part, which is not weighted,
    are of the other. Weights that the set has already are multiplied.

    Args:
      data: the set, with one target of labels. Where it is streamed from something else than
        arrays or image files, "balanced" reads it once.
      weights: w of the classes 0 … C − 1, or "balanced".

    Raises:
      ValueError: other targets, weights that are no C positive numbers, or a class that the
        training part does not have, whose balanced weight would be infinite.
    """
    if data.kinds != "labels":
        raise ValueError(
            f"{data.name}: class_weighted needs one target of labels, got {data.kinds}; give the "
            f"examples weights of their own, weights_train of bnn.data.Dataset."
        )
    by_class = _balanced(data) if isinstance(weights, str) else np.asarray(weights, np.float64)
    right = by_class.shape == (data.num_classes,) and np.isfinite(by_class).all()
    if (isinstance(weights, str) and weights != "balanced") or not right or (by_class <= 0).any():
        raise ValueError(
            f"{data.name}: weights must be 'balanced' or {data.num_classes} positive numbers, one "
            f"a class, got {weights!r}."
        )
    by_class = by_class.astype(np.float32)
    if data.train_source is not None:
        source = ClassWeightedExamples(data.train_source, by_class)
        return dataclasses.replace(data, train_source=source)
    held = 1.0 if data.weights_train is None else data.weights_train
    return dataclasses.replace(data, weights_train=by_class[data.y_train] * held)


class ClassWeightedExamples(Examples):
    """Examples with the weights of their classes.

    Args:
      examples: with targets of labels.
      by_class: float32 `[C]`.
    """

    def __init__(self, examples: Examples, by_class: np.ndarray) -> None:
        super().__init__(examples.name)
        self.examples, self._by_class = examples, by_class

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, rows: np.ndarray) -> Example:
        """Returns these examples; a label beyond the classes gets the last one's weight."""
        found = self.examples.take(rows)
        weights = np.take(self._by_class, found.targets, mode="clip")
        held: Any = 1.0 if found.weights is None else found.weights
        return found._replace(weights=weights * held)

    def targets(self, rows: np.ndarray) -> Any:
        """Returns the targets of these examples."""
        return self.examples.targets(rows)


def _balanced(data: Dataset) -> np.ndarray:
    counts = np.zeros(data.num_classes, np.int64)
    source = data.train_source
    for first in range(0, data.num_train, _CHUNK):
        rows = np.arange(first, min(first + _CHUNK, data.num_train))
        labels = data.y_train[rows] if source is None else source.targets(rows)
        counts += np.bincount(np.clip(labels, 0, data.num_classes - 1), minlength=data.num_classes)
    if not counts.all():
        raise ValueError(
            f"{data.name}: balanced weights need training examples of every class, got none of "
            f"class {int(np.argmin(counts))}; give weights of your own."
        )
    return data.num_train / (data.num_classes * counts)
