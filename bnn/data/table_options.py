"""How the columns of a table are taken: what is a feature, a target, a category, a date."""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import Any, Literal

import numpy as np

from bnn.data import columns
from bnn.data.columns.base import missing
from bnn.data.columns.categorical import Unseen
from bnn.data.columns.date import is_dates
from bnn.data.preparation import TablePreparation

Table = dict[str, np.ndarray]
Missing = Literal["refuse", "impute"]
_UNIT = r"(?:[$€£¥%]|USD|EUR|GBP)"
_NUMBER_LIKE = re.compile(
    rf"{_UNIT}?\s*[+-]?\s*{_UNIT}?\s*"
    r"(?:\d{1,3}(?:[,.'\s]\d{3})+(?:[.,]\d+)?|\d+[,.]\d+|\d+)"
    rf"\s*{_UNIT}?"
)
_UNNAMED = re.compile(r"\s*|Unnamed: \d+")  # as pandas calls them
_COUNTED = 20  # rows from which on a column that counts them is no chance
_DATE_LIKE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}([ T].*)?")


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
      form: separator, decimal and thousands of the files.
      kinds: of targets that are numbers, by column; those that are not named are values, or classes
        by what they hold.
    """

    targets: tuple[str, ...]
    weights: str | None = None
    split: str | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    missing: Missing = "refuse"
    unseen: Unseen = "refuse"
    max_categories: int = 100
    form: tuple[str, str, str | None] = (",", ".", None)
    kinds: dict[str, str] = dataclasses.field(default_factory=dict)

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
                hint = " Give the file's separator." if len(table) == 1 else ""
                raise ValueError(
                    f"{name}: {argument} names the column {column!r}, which the table does not "
                    f"have; its columns are {', '.join(map(repr, table))}.{hint}"
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
        unnamed = [column for column in features if _UNNAMED.fullmatch(column)]
        if unnamed:
            raise ValueError(
                f"{name}: every feature must have a name in the first line, got {unnamed[0]!r} "
                f"(row numbers, as a table's index is written?); name the column, or leave it out "
                f"with drop=[{unnamed[0]!r}]."
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
        refuse_durations(f"{name}: column {column!r}", whole)
        if column in options.categorical:
            found.append(_categorical(name, column, train, options))
        elif is_dates(whole):
            columns.date.days(f"{name}: column {column!r}", whole, ~absent)  # by the file's rows
            found.append(columns.DateColumn.fit(name, column, train, impute))
        elif _is_numeric(whole):
            values = columns.numeric.numbers(f"{name}: column {column!r}", whole, ~absent)
            _say_of_row_numbers(name, column, values)
            found.append(columns.NumericColumn.fit(name, column, train, impute))
        else:
            refuse_lookalikes(f"{name}: column {column!r}", whole)
            found.append(_categorical(name, column, train, options))
    return TablePreparation(tuple(found), options.form)


def _say_of_row_numbers(name: str, column: str, values: np.ndarray) -> None:
    """Warns of a feature that counts the rows: of a time it is one, of an identifier noise."""
    if len(values) >= _COUNTED and bool(np.all(np.diff(values) == 1)):
        logging.getLogger("absl").warning(
            "%s: column %r counts the rows, %g to %g, and is taken as a feature; if it says which "
            "row and nothing of it, leave it out with drop=[%r].",
            name,
            column,
            values[0],
            values[-1],
            column,
        )


def is_classes(column: str, values: np.ndarray, options: TableOptions) -> bool:
    """Returns whether a target is a class: named in categorical, or no numbers."""
    if column in options.categorical or values.dtype.kind == "b" or not _is_numeric(values):
        return True
    return values.dtype == object and all(isinstance(v, (bool, np.bool_)) for v in values)


def refuse_durations(label: str, values: np.ndarray) -> None:
    """Raises ValueError for a column of durations."""
    if values.dtype.kind == "m":
        raise ValueError(
            f"{label} must hold numbers, texts or dates, got durations; convert them to numbers, "
            f"such as seconds."
        )


def refuse_lookalikes(label: str, values: np.ndarray) -> None:
    """Raises ValueError for texts of which most look like numbers, or dates, of another form.

    As categories they would train without a word.
    """
    found = [value.strip() for value in values[~missing(values)] if isinstance(value, str)]
    for pattern, what, remedy in (
        (_DATE_LIKE, "dates", "write dates as 2024-05-31"),
        (
            _NUMBER_LIKE,
            "numbers with marks of their own",
            "give decimal and thousands, or leave marks and units out of the values",
        ),
    ):
        alike = [text for text in found if pattern.fullmatch(text)]
        if len(alike) > len(found) / 2:
            raise ValueError(
                f"{label} must hold numbers, dates or categories, got texts that look like {what}, "
                f"such as {alike[0]!r}; {remedy}, or name the column in categorical."
            )


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


def _parses(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
