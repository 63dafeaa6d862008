"""Preparation of the rows of a table."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, ClassVar

import numpy as np

from bnn.data import columns, memory
from bnn.data.preparation.base import Preparation
from bnn.data.table_columns import table_columns


@dataclasses.dataclass(frozen=True, eq=False)
class TablePreparation(Preparation):
    """Encodes the columns one after the other: float32 `[N, F]`.

    Attributes:
      columns: how each column becomes features.
      form: separator, decimal and thousands of the source's files, and of those that are given.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[columns.Column, ...]
    form: tuple[str, str, str | None] = (",", ".", None)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the F features."""
        return tuple(feature for column in self.columns for feature in column.features)

    def prepare(self, name: str, raw: Any) -> np.ndarray:
        """Returns the features, float32 `[N, F]`.

        Args:
          name: the set's name, for errors.
          raw: a pandas DataFrame, a dict of columns, a list of rows as dicts, or the path of a
            file as the source takes it; further columns are left aside.

        Raises:
          ValueError: a column that is missing or of another type, a missing value where the
            training rows had none, or a category that they did not have.
        """
        if isinstance(raw, (str, os.PathLike)):
            from bnn.data.table_files import read_table

            raw = read_table(raw, *self.form)
        table = table_columns(name, raw)
        wanted = [column.name for column in self.columns]
        absent = [column for column in wanted if column not in table]
        if absent:
            raise ValueError(
                f"{name}: the table must have the columns of the training part, but "
                f"{', '.join(map(repr, absent))} is missing among "
                f"{', '.join(map(repr, table)) or 'none'}; add it."
            )
        if isinstance(raw, list):
            _check_rows(name, raw, wanted)
        count = len(next(iter(table.values())))
        out = memory.empty((count, len(self.feature_names)))
        out[:] = 0
        place = 0
        for column in self.columns:
            width = len(column.features)
            column.encode(name, table[column.name], out[:, place : place + width])
            place += width
        return out

    def recognises(self, raw: Any) -> bool:
        """Returns True for a table in any form: prepared rows are one array."""
        if isinstance(raw, (str, os.PathLike, dict)) or hasattr(raw, "iloc"):
            return True
        return isinstance(raw, list) and bool(raw) and isinstance(raw[0], dict)

    def fields(self) -> dict[str, Any]:
        """Returns the columns, and the form of files where it is not the usual one."""
        usual = type(self).form == self.form
        form = {} if usual else {"form": list(self.form)}
        return {"columns": [column.to_json() for column in self.columns], **form}

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> TablePreparation:
        """Returns the preparation with these columns."""
        held = tuple(columns.from_json(column) for column in fields["columns"])
        separator, decimal, thousands = fields.get("form", cls.form)
        return cls(held, (separator, decimal, thousands))


def _check_rows(name: str, rows: list[dict[Any, Any]], wanted: list[str]) -> None:
    """Raises ValueError for a row without a column: it may be misspelt, and is no missing value."""
    for number, row in enumerate(rows):
        names = [str(column) for column in row]
        absent = [column for column in wanted if column not in names]
        if absent:
            raise ValueError(
                f"{name}: every row must have the columns of the training part, but "
                f"{', '.join(map(repr, absent))} is missing in row {number}, which has "
                f"{', '.join(map(repr, names)) or 'none'}; give None for a value that is missing."
            )
