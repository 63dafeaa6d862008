"""Reading of CSV and Parquet files; needs pandas."""

from __future__ import annotations

import csv
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bnn.data.extras import required
from bnn.data.table_columns import check_names, table_columns

PARQUET = (".parquet", ".pq")


def read_table(
    path: str | os.PathLike[str],
    separator: str = ",",
    decimal: str = ".",
    thousands: str | None = None,
) -> dict[str, np.ndarray]:
    """Returns the columns of a CSV file, or of a Parquet file by its ending, by name.

    Args:
      path: of the file.
      separator: between the values of a line.
      decimal: the decimal point.
      thousands: between groups of three digits; None: there is none.

    Raises:
      ImportError: pandas, or for Parquet PyArrow, is not installed.
      FileNotFoundError: no such file.
      ValueError: no rows, duplicated column names, a row with more values than names, or no text;
        the message names the file and, where it can, the line.
    """
    path = Path(path).expanduser()
    pandas = required("pandas", "tables", "pandas", f"reading {path.name}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; correct the path.")
    if path.suffix.lower() in PARQUET:
        frame = _read_parquet(pandas, path)
    else:
        frame = _read_csv(pandas, path, separator, decimal, thousands)
    if not len(frame):
        raise ValueError(f"{path}: must hold rows, got none under the column names; fill it.")
    table = table_columns(str(path), frame)
    if path.suffix.lower() in PARQUET:
        typed = {*table.categorical, *_categories(path)}
        table.categorical = tuple(column for column in table if column in typed)
    return table


def _categories(path: Path) -> set[str]:
    """Columns that the file says to be categories: pandas reads those of numbers as numbers."""
    import pyarrow
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    found = {field.name for field in schema if pyarrow.types.is_dictionary(field.type)}
    described = (schema.pandas_metadata or {}).get("columns", ())
    return found | {c["field_name"] for c in described if c["pandas_type"] == "categorical"}


def _read_parquet(pandas: Any, path: Path) -> Any:
    required("pyarrow", "tables", "PyArrow", f"reading {path.name}")
    try:
        return pandas.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: must be a Parquet file, got one that cannot be decoded "
            f"({_first_line(error)}); write it again."
        ) from error


def _read_csv(pandas: Any, path: Path, separator: str, decimal: str, thousands: str | None) -> Any:
    _check_characters(separator, decimal, thousands)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            names = next(csv.reader(lines, delimiter=separator), [])
        check_names(str(path), names)  # pandas would rename them
        with warnings.catch_warnings():
            # Values beyond the last name would be left out.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            # Each column by its own rules, so that no value is taken for another: "NA" is read as
            # missing later, and a column of 1, 2, x stays as texts to be refused by row; as a
            # whole, because pieces of a large file could differ in type.
            return pandas.read_csv(
                path,
                sep=separator,
                decimal=decimal,
                thousands=thousands,
                index_col=False,
                encoding="utf-8-sig",
                low_memory=False,
            )
    except pandas.errors.ParserWarning as error:
        raise ValueError(
            f"{path}: every row must have a value a name, {len(names)} as in the first line, got "
            f"rows with more; name every column, or give another separator."
        ) from error
    except csv.Error as error:
        raise ValueError(
            f"{path}: the first line must hold the column names, got what cannot be read as such "
            f"({_first_line(error)}); repair it."
        ) from error
    except pandas.errors.EmptyDataError as error:
        raise ValueError(f"{path}: must hold column names and rows, got nothing.") from error
    except pandas.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found is None:
            raise ValueError(
                f"{path}: must be a table with {separator!r} between values, got "
                f"{_first_line(error)}; repair it."
            ) from error
        wanted, line, seen = found.groups()
        raise ValueError(
            f"{path}, line {line}: expected {wanted} values as in the first line, got {seen}; "
            f"quote values that hold {separator!r}, or give another separator."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: must be text in UTF-8, got bytes that are none ({error}); convert it."
        ) from error


def _check_characters(separator: str, decimal: str, thousands: str | None) -> None:
    given = {"separator": separator, "decimal": decimal}
    if thousands is not None:
        given["thousands"] = thousands
    for argument, value in given.items():
        if not isinstance(value, str) or len(value) != 1:
            usual = {"separator": ";", "decimal": ",", "thousands": "."}[argument]
            raise ValueError(f"{argument} must be one character, such as {usual!r}, got {value!r}.")
    if len(set(given.values())) < len(given):
        raise ValueError(
            f"separator, decimal and thousands must differ, got "
            f"{', '.join(f'{name}={value!r}' for name, value in given.items())}."
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
