"""Tables in CSV and Parquet files; needs the extra `bnn[tables]`.

Features are made of columns: numbers are standardised, texts become a feature a category, dates
(2024-05-31, 2024-05-31 08:00, 2024-05-31T08:00+02:00) days gone by, season and day of the week,
all fitted on the training rows. Texts that look like numbers or dates of another form are refused.
The set's `prepare_inputs` takes such rows again: a DataFrame, a dict of columns, a list of dicts,
or a path.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
import numpy as np

from bnn.data.build import build
from bnn.data.columns.categorical import Unseen
from bnn.data.dataset import Dataset
from bnn.data.splits import PARTS, Rows, split_by_column, split_by_fraction
from bnn.data.table_files import read_table
from bnn.data.table_options import Missing, Table, TableOptions, fitted
from bnn.data.table_targets import complete_numbers, kinds_by_column, table_targets


@gin.register(module="bnn.data")
def csv(
    path: str | os.PathLike[str],
    targets: Sequence[str] | str,
    test_path: str | os.PathLike[str] | None = None,
    valid_path: str | os.PathLike[str] | None = None,
    split_column: str | None = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    seed: int = 0,
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
    weights: str | None = None,
    missing: Missing = "refuse",
    unseen: Unseen = "refuse",
    max_categories: int = 100,
    separator: str = ",",
    name: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    target_units: Mapping[str, str] | None = None,
    target_kinds: Mapping[str, str] | str | None = None,
) -> Dataset:
    """Returns a CSV file's rows: features float32 `[N, F]`, targets by their columns.

    Columns that are nothing else are features. Targets of numbers are standardised, `[N, D]`;
    texts, and what categorical names, are classes, `[N]`; several kinds or classes give a dict.

    Args:
      path: the file; a Parquet file is known by its ending.
      targets: columns to predict.
      test_path: file of the test rows; then nothing is held out of path for a test.
      valid_path: file of the validation rows.
      split_column: column that says "train", "valid" or "test" a row.
      test_fraction: share of the rows that becomes the test part, where no file or column does.
      validation_fraction: share of the other rows that becomes the validation part, likewise.
      seed: seed of both choices.
      categorical: columns of numbers that are categories, and targets of numbers that are classes.
      drop: columns to leave aside, such as an identifier.
      weights: column of sample weights.
      missing: missing feature values are refused ("refuse"), or become the training mean, or no
        category, with a feature that says so ("impute"). In targets they are always refused.
      unseen: a category that no training row has is refused ("refuse"), or gives zeros ("zeros").
      max_categories: most categories of a column; more are refused.
      separator: between the values of a line.
      name: of the set; default: the file's.
      decimal: the decimal point, such as "," in 3,14.
      thousands: between groups of three digits, such as "." in 1.200; None: there is none.
      target_units: of targets that are numbers, by column, such as {"load": "kWh"}; reports and
        predictions name them.
      target_kinds: of targets that are numbers, one or by column: "values", the default, "counts"
        or "multi_label", 1 for a label that applies and else 0, which are not standardised.

    Raises:
      ImportError: pandas is not installed.
      FileNotFoundError: no such file.
      ValueError: an argument, column, row or value that does not fit, by its name.
    """
    name = name or Path(path).stem
    options = TableOptions(
        *(_names(targets), weights, split_column, _names(drop), _names(categorical)),
        *(missing, unseen, max_categories, (separator, decimal, thousands)),
        kinds=kinds_by_column(name, _names(targets), _names(categorical), target_kinds),
    )
    files = {"train": path, "valid": valid_path, "test": test_path}
    tables = {part: read_table(f, *options.form) for part, f in files.items() if f is not None}
    table, rows = _joined(name, tables)
    options.check(name, table)
    fractions = test_fraction, validation_fraction
    rows = _divided(name, split_column, table, tables, rows, fractions, seed)
    return _dataset(name, table, rows, _with_typed(options, tables["train"]), target_units)


@gin.register(module="bnn.data")
def parquet(path: str | os.PathLike[str], targets: Sequence[str] | str, **options: Any) -> Dataset:
    """Returns a Parquet file's rows; shapes, options and errors as for `csv`."""
    return csv(path, targets, **options)


def _with_typed(options: TableOptions, table: Table) -> TableOptions:
    """What a typed file, or a frame, calls categories are such, numbers too."""
    typed = getattr(table, "categorical", ())
    return dataclasses.replace(options, categorical=(*options.categorical, *typed))


def _divided(
    name: str,
    column: str | None,
    table: Table,
    tables: dict[str, Table],
    rows: Rows,
    fractions: tuple[float, float],
    seed: int,
) -> Rows:
    """The rows of every part, as a column says, or files and shares."""
    if column is None:
        return _held_out(rows, tables, *fractions, seed)
    if len(tables) > 1:
        raise ValueError("give split_column, or test_path and valid_path, not both.")
    return split_by_column(name, column, table[column])


def _names(given: Sequence[str] | str) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _joined(name: str, tables: dict[str, Table]) -> tuple[Table, Rows]:
    """One table of all files, and the rows of every part, by file."""
    first = tables["train"]
    for part, table in tables.items():
        if set(table) != set(first):
            different = sorted(set(table) ^ set(first))
            raise ValueError(
                f"{name}: the {part} file must have the columns of the first, but differs in "
                f"{', '.join(map(repr, different))}; bring them to the same columns."
            )
    starts = np.cumsum([0, *(len(next(iter(table.values()))) for table in tables.values())])
    rows = {part: np.zeros(0, np.int64) for part in PARTS}
    for part, start, stop in zip(tables, starts, starts[1:], strict=False):
        rows[part] = np.arange(start, stop)
    if len(tables) == 1:
        return first, rows
    joined = {c: np.concatenate([table[c] for table in tables.values()]) for c in first}
    return joined, rows


def _held_out(
    rows: Rows,
    tables: dict[str, Table],
    test_fraction: float,
    validation_fraction: float,
    seed: int,
) -> Rows:
    """The rows of every part, where files do not say all."""
    split = split_by_fraction(
        len(rows["train"]),
        0.0 if "test" in tables else test_fraction,
        0.0 if "valid" in tables else validation_fraction,
        seed=seed,
    )
    return {
        part: rows[part] if len(rows[part]) and part != "train" else split[part] for part in PARTS
    }


def _dataset(
    name: str,
    table: Table,
    rows: Rows,
    options: TableOptions,
    target_units: Mapping[str, str] | None,
) -> Dataset:
    for part in ("train", "test"):
        if not len(rows[part]):
            raise ValueError(
                f"{name}: the {part} part must hold a row, got none; give a larger share or file."
            )
    preparation = fitted(name, table, rows["train"], options)
    features = [column.name for column in preparation.columns]
    inputs = {
        part: preparation.prepare(
            f"{name}, {part} part", {column: table[column][rows[part]] for column in features}
        )
        for part in PARTS
    }
    targets, target_names, class_names = table_targets(name, table, rows, options)
    weights = None
    if options.weights is not None:
        label = f"{name}: column {options.weights!r}"
        values = complete_numbers(label, table[options.weights]).astype(np.float32)
        weights = {part: values[rows[part]] for part in PARTS}
    return build(
        name,
        inputs,
        targets,
        rows=rows,
        weights=weights,
        preparation=preparation,
        feature_names=preparation.feature_names,
        target_names=target_names,
        target_units=target_units,
        class_names=class_names,
    )
