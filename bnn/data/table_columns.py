"""Tables in any of their forms as a dict of columns."""

from __future__ import annotations

from typing import Any

import numpy as np


class Columns(dict[str, np.ndarray]):
    """Columns `[N]` by name.

    Attributes:
      categorical: those of pandas's type for categories.
    """

    categorical: tuple[str, ...] = ()


def table_columns(name: str, raw: Any) -> Columns:
    """Returns the columns of a table by name, each `[N]`; needs no pandas.

    Args:
      name: what errors call the table.
      raw: a pandas DataFrame, a dict of columns, or a list of rows as dicts.

    Raises:
      ValueError: another form, duplicated names, columns of different length, or no rows.
    """
    if hasattr(raw, "columns") and hasattr(raw, "iloc"):
        names = [str(column) for column in raw.columns]
        check_names(name, names)
        table = Columns({column: _array(raw.iloc[:, i]) for i, column in enumerate(names)})
        types = (getattr(raw.iloc[:, i].dtype, "name", "") for i in range(len(names)))
        table.categorical = tuple(
            column for column, kind in zip(names, types, strict=True) if kind == "category"
        )
    elif isinstance(raw, dict):
        table = Columns({str(column): _array(values) for column, values in raw.items()})
    elif isinstance(raw, list) and raw and all(isinstance(row, dict) for row in raw):
        table = Columns(
            {str(column): _array([row.get(column) for row in raw]) for column in raw[0]}
        )
    else:
        raise ValueError(
            f"{name}: a table must be a DataFrame, a dict of columns or a list of rows as dicts, "
            f"got {type(raw).__name__}; name the columns."
        )
    lengths = {column: np.shape(values) for column, values in table.items()}
    if not table or len(set(lengths.values())) != 1 or any(len(s) != 1 for s in lengths.values()):
        raise ValueError(
            f"{name}: a table must have columns [N] of one length, got "
            f"{', '.join(f'{column!r}: {shape}' for column, shape in lengths.items()) or 'none'}."
        )
    return table


def check_names(name: str, names: list[str]) -> None:
    """Raises ValueError for column names that occur twice."""
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ValueError(
            f"{name}: column names must differ, got {', '.join(map(repr, twice))} more than once; "
            f"rename these columns."
        )


def _array(values: Any) -> np.ndarray:
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    # Texts of fixed length would make missing values into texts.
    return np.asarray(values, object) if array.dtype.kind in "SU" else array
