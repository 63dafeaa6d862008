"""Numbers, standardised; missing ones become the training mean."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from bnn.data import scales
from bnn.data.columns.base import Column, missing


@dataclasses.dataclass(frozen=True)
class NumericColumn(Column):
    """`(value − loc) / scale`; a missing value becomes 0, the training mean.

    Attributes:
      loc, scale: mean and standard deviation of the training rows' values that are there.
    """

    kind: ClassVar[str] = "numeric"
    loc: float
    scale: float

    @classmethod
    def fit(cls, table: str, name: str, values: np.ndarray, impute: bool) -> NumericColumn:
        """Returns the column fitted to the training values `[N]`; ValueError for no numbers."""
        absent = missing(values)
        present = numbers(f"{table}: column {name!r}", values, ~absent)[~absent]
        if not len(present):
            raise ValueError(
                f"{table}: column {name!r} must hold a value in the training part, got missing "
                f"values only; leave it out with drop."
            )
        loc, scale = scales.columns(present[:, np.newaxis])
        return cls(name, impute and bool(absent.any()), float(loc[0]), float(scale[0]))

    @property
    def own_features(self) -> tuple[str, ...]:
        """The column's name."""
        return (self.name,)

    def encode_present(
        self, label: str, values: np.ndarray, present: np.ndarray, out: np.ndarray
    ) -> None:
        """Writes the standardised numbers."""
        found = numbers(label, values, present)[present]
        out[present, 0] = (found - self.loc) / self.scale


def numbers(label: str, values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Returns float64 `[N]`, NaN where not present; ValueError naming the first that is none."""
    out = np.full(len(values), np.nan)
    if values.dtype.kind in "biuf":
        out[present] = values[present]
    else:
        for row in np.flatnonzero(present):
            out[row] = _number(label, values[row], int(row))
    infinite = np.isinf(out)
    if infinite.any():
        first = int(np.argmax(infinite))
        raise ValueError(
            f"{label} must hold finite numbers, got {out[first]} in row {first} "
            f"({int(infinite.sum())} such rows); repair or drop these rows."
        )
    return out


def _number(label: str, value: object, row: int) -> float:
    try:
        if isinstance(value, str) and "_" in value:
            raise ValueError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(
            f"{label} must hold numbers, got {value!r} in row {row}; correct the value, or name "
            f"the column in categorical."
        ) from None
