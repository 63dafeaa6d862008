"""Targets in the columns of a table: values, counts, several labels, classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnn.data import columns
from bnn.data.columns.base import missing
from bnn.data.columns.categorical import as_category, sorted_categories
from bnn.data.splits import PARTS, Rows
from bnn.data.table_options import Table, TableOptions, is_classes, refuse_lookalikes
from bnn.data.targets import Targets, prepared_targets

_KINDS = ("values", "counts", "multi_label")


def kinds_by_column(
    name: str,
    targets: tuple[str, ...],
    categorical: tuple[str, ...],
    given: Mapping[str, str] | str | None,
) -> dict[str, str]:
    """Returns the kinds of targets that are said to be numbers, by column.

    Raises:
      ValueError: another kind, or a column that is no target, or is a class.
    """
    kinds = dict.fromkeys(targets, given) if isinstance(given, str) else dict(given or {})
    for column, kind in kinds.items():
        if kind not in _KINDS:
            raise ValueError(
                f"{name}: target_kinds must be {', '.join(map(repr, _KINDS[:-1]))} or "
                f"{_KINDS[-1]!r}, for all targets or by column, got {kind!r}; classes are texts, "
                f"or named in categorical."
            )
        if column not in targets or column in categorical:
            others = [target for target in targets if target not in categorical]
            raise ValueError(
                f"{name}: target_kinds must name targets that are no classes, "
                f"{', '.join(map(repr, others)) or 'of which there are none'}, got {column!r}; "
                f"correct the name, or leave it out."
            )
    return kinds


def table_targets(
    name: str, table: Table, rows: Rows, options: TableOptions
) -> tuple[Targets, tuple[str, ...] | None, Any]:
    """Returns targets by part, the names of the columns of one target, and of the classes.

    Raises:
      ValueError: a missing value, one that its kind does not have, a class that the training part
        does not have, or a target that does not vary; the message names column and row.
    """
    arrays: dict[str, np.ndarray] = {}
    classes: dict[str, tuple[str, ...]] = {}
    kinds: dict[str, str] = {}
    for column in options.targets:
        label = f"{name}: target column {column!r}"
        if column not in options.kinds and is_classes(column, table[column], options):
            if column not in options.categorical:
                refuse_lookalikes(label, table[column])
            arrays[column], classes[column] = _labels(label, table[column], rows, options)
        else:
            arrays[column] = complete_numbers(label, table[column])[:, np.newaxis]
            kind = kinds[column] = options.kinds.get(column, "values")
            _check_kind(label, arrays[column][:, 0], kind)
            train = arrays[column][rows["train"]]
            if kind != "multi_label" and train.min() == train.max():
                raise ValueError(
                    f"{label} must vary, got {train[0, 0]} in all {len(train)} training rows; "
                    f"there is nothing to learn: choose another target."
                )
    counts = {column: len(names) for column, names in classes.items()}
    if not classes and len(set(kinds.values())) == 1:
        one = np.concatenate(list(arrays.values()), axis=1)
        parts: dict[str, Any] = {part: one[rows[part]] for part in PARTS}
        kind = kinds[options.targets[0]]
        return prepared_targets(name, parts, target_kinds=kind), options.targets, None
    if len(arrays) == 1:
        [(column, labels)] = arrays.items()
        parts = {part: labels[rows[part]] for part in PARTS}
        return prepared_targets(name, parts, counts[column]), None, classes[column]
    parts = {p: {column: values[rows[p]] for column, values in arrays.items()} for p in PARTS}
    return prepared_targets(name, parts, counts, kinds), None, classes or None


def _check_kind(label: str, values: np.ndarray, kind: str) -> None:
    """Raises ValueError naming the first row that a count or a label cannot be."""
    if kind == "values":
        return
    if kind == "counts":
        wrong, rule = (values < 0) | (values != np.floor(values)), "whole numbers of at least 0"
    else:
        wrong, rule = (values != 0) & (values != 1), "0 or 1"
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{label} must hold {rule}, as {kind}, got {values[row]} in row {row} "
            f"({int(wrong.sum())} such rows); correct these rows, or name another of target_kinds."
        )


def _labels(
    label: str, values: np.ndarray, rows: Rows, options: TableOptions
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers, in the order of the training part's sorted classes, and their names."""
    _refuse_missing(label, values)
    names = sorted_categories(values[rows["train"]])
    if not 2 <= len(names) <= options.max_categories:
        raise ValueError(
            f"{label} must have 2 to {options.max_categories} classes in the training part, got "
            f"{len(names)}{f', {names[0]!r} in every row' if len(names) == 1 else ''}; choose "
            f"another target, or raise max_categories."
        )
    places = {category: place for place, category in enumerate(names)}
    labels = np.array([places.get(as_category(value), -1) for value in values], np.int64)
    if (labels < 0).any():
        row = int(np.argmax(labels < 0))
        raise ValueError(
            f"{label} must hold the classes of the training part, {', '.join(map(repr, names))}, "
            f"got {as_category(values[row])!r} in row {row} ({int((labels < 0).sum())} such rows); "
            f"move such a row to the training part, or drop them."
        )
    return labels, names


def complete_numbers(label: str, values: np.ndarray) -> np.ndarray:
    """Returns float64 `[N]`; ValueError for a value that is missing or no number, by its row."""
    _refuse_missing(label, values)
    return columns.numeric.numbers(label, values, np.ones(len(values), bool))


def _refuse_missing(label: str, values: np.ndarray) -> None:
    absent = missing(values)
    if absent.any():
        row = int(np.argmax(absent))
        raise ValueError(
            f"{label} must have no missing values, got one in row {row} ({int(absent.sum())} such "
            f"rows); drop these rows."
        )
