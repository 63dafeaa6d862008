"""How the columns of a table are taken: what is a feature, a target, a category, a date."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from bnn.data import columns
from bnn.data.columns.base import missing
from bnn.data.columns.categorical import Unseen
from bnn.data.columns.date import is_dates
from bnn.data.preparation import TablePreparation

Table = dict[str, np.ndarray]
Missing = Literal["refuse", "impute"]


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """What is said about the columns.

    Attributes:
      targets: columns to predict.
      weights: column of sample weights, or None.
      split: column with the parts' names, or None.
      drop: columns to leave aside.
      categorical: columns of numbers that are categories, and targets that are classes.
      missing: missing values in features are refused, or imputed with an indicator.
      unseen: categories that the training part does not have are refused, or give zeros.
      max_categories: most categories of a column.
    """

    targets: tuple[str, ...]
    weights: str | None = None
    split: str | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    missing: Missing = "refuse"
    unseen: Unseen = "refuse"
    max_categories: int = 100

    def __post_init__(self) -> None:
        for argument, value, choices in (
            ("missing", self.missing, ("refuse", "impute")),
            ("unseen", self.unseen, ("refuse", "zeros")),
        ):
            if value not in choices:
                raise ValueError(
                    f"{argument} must be one of {', '.join(map(repr, choices))}, got {value!r}."
                )
        if not self.targets:
            raise ValueError("targets must name a column at least, got none.")

    def check(self, name: str, table: Table) -> None:
        """Raises ValueError for a named column that the table does not have, or named twice."""
        single = {"weights": self.weights, "split_column": self.split}
        named = [(argument, column) for argument, column in single.items() if column is not None]
        for argument in ("targets", "drop", "categorical"):
            named += [(argument, column) for column in getattr(self, argument)]
        for argument, column in named:
            if column not in table:
                raise ValueError(
                    f"{name}: {argument} names the column {column!r}, which the table does not "
                    f"have; its columns are {', '.join(map(repr, table))}."
                )
        taken = [*self.targets, *self.drop, *(c for c in single.values() if c is not None)]
        twice = sorted({column for column in taken if taken.count(column) > 1})
        if twice:
            raise ValueError(
                f"{name}: a column is a target, the weights, the split or dropped, got "
                f"{', '.join(map(repr, twice))} as two of them; name it once."
            )

    def features(self, name: str, table: Table) -> list[str]:
        """Returns the columns that are features; ValueError for none."""
        taken = {*self.targets, *self.drop, self.weights, self.split}
        features = [column for column in table if column not in taken]
        if not features:
            raise ValueError(
                f"{name}: the table must have a column beside the targets, got "
                f"{', '.join(map(repr, table))}; drop fewer."
            )
        return features


def fitted(name: str, table: Table, rows: np.ndarray, options: TableOptions) -> TablePreparation:
    """Returns the features fitted to the training rows.

    Raises:
      ValueError: missing values where they are refused, texts among numbers, or too many
        categories; the message names the column and the row.
    """
    found: list[columns.Column] = []
    impute = options.missing == "impute"
    for column in options.features(name, table):
        whole = table[column]
        absent = missing(whole)
        if absent.any() and not impute:
            row = int(np.argmax(absent))
            raise ValueError(
                f"{name}: column {column!r} must have no missing values with missing='refuse', got "
                f"one in row {row} ({int(absent.sum())} such rows); fill them in, or give "
                f"missing='impute'."
            )
        train = whole[rows]
        if column in options.categorical:
            found.append(_categorical(name, column, train, options))
        elif is_dates(whole):
            found.append(columns.DateColumn.fit(name, column, train, impute))
        elif _is_numeric(whole):
            _refuse_texts(name, column, whole)
            found.append(columns.NumericColumn.fit(name, column, train, impute))
        else:
            found.append(_categorical(name, column, train, options))
    return TablePreparation(tuple(found))


def is_classes(column: str, values: np.ndarray, options: TableOptions) -> bool:
    """Returns whether a target is a class: named in categorical, or no numbers."""
    return column in options.categorical or values.dtype.kind == "b" or not _is_numeric(values)


def _categorical(
    name: str, column: str, train: np.ndarray, options: TableOptions
) -> columns.CategoricalColumn:
    impute = options.missing == "impute"
    return columns.CategoricalColumn.fit(
        name, column, train, impute, options.unseen, options.max_categories
    )


def _is_numeric(values: np.ndarray) -> bool:
    """Numbers, or texts of which most are numbers: the others are then mistakes."""
    if values.dtype.kind in "biuf":
        return True
    found = values[~missing(values)]
    return len(found) > 0 and sum(map(_parses, found)) > len(found) / 2


def _refuse_texts(name: str, column: str, values: np.ndarray) -> None:
    """Names the first text among numbers in the whole table, before it is split."""
    if values.dtype.kind not in "biuf":
        columns.numeric.numbers(f"{name}: column {column!r}", values, ~missing(values))


def _parses(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
