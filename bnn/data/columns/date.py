"""Dates: the days gone by, the season and the day of the week."""

from __future__ import annotations

import dataclasses
import datetime
import re
from typing import ClassVar

import numpy as np

from bnn.data import scales
from bnn.data.columns.base import Column, missing

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)"
    r"\s*(?:(Z)|([+-])(\d{2}):?(\d{2}))?"
)
_YEAR = 365.2425
_PARTS = ("days", "year_sin", "year_cos", "week_sin", "week_cos")


@dataclasses.dataclass(frozen=True)
class DateColumn(Column):
    """Days since 1970, standardised, and sine and cosine of the place in the year and the week.

    Times with a zone are brought to UTC; those without are taken as they are.

    Attributes:
      loc, scale: mean and standard deviation of the training rows' days.
    """

    kind: ClassVar[str] = "date"
    loc: float
    scale: float

    @classmethod
    def fit(cls, table: str, name: str, values: np.ndarray, impute: bool) -> DateColumn:
        """Returns the column fitted to the training values `[N]`; ValueError for no dates."""
        absent = missing(values)
        found = days(f"{table}: column {name!r}", values, ~absent)[~absent]
        if not len(found):
            raise ValueError(
                f"{table}: column {name!r} must hold a date in the training part, got missing "
                f"values only; leave it out with drop."
            )
        loc, scale = scales.columns(found[:, np.newaxis])
        return cls(name, impute and bool(absent.any()), float(loc[0]), float(scale[0]))

    @property
    def own_features(self) -> tuple[str, ...]:
        """`name_days`, `name_year_sin`, …."""
        return tuple(f"{self.name}_{part}" for part in _PARTS)

    def encode_present(
        self, label: str, values: np.ndarray, present: np.ndarray, out: np.ndarray
    ) -> None:
        """Writes the five features."""
        found = days(label, values, present)[present]
        year, week = (2 * np.pi * found / period for period in (_YEAR, 7.0))
        out[present, 0] = (found - self.loc) / self.scale
        for place, feature in enumerate((np.sin(year), np.cos(year), np.sin(week), np.cos(week))):
            out[present, 1 + place] = feature


def days(label: str, values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Returns days since 1970-01-01, float64 `[N]`, NaN where not present.

    Raises:
      ValueError: a value that is no date, naming the row.
    """
    out = np.full(len(values), np.nan)
    if values.dtype.kind == "M":
        seconds = values[present].astype("datetime64[ms]").astype(np.int64) / 1000
        out[present] = seconds / 86400
        return out
    for row in np.flatnonzero(present):
        out[row] = _days(label, values[row], int(row))
    return out


def is_dates(values: np.ndarray) -> bool:
    """Returns whether most values that are there are dates, or texts such as 2024-05-31.

    The others are then mistakes.
    """
    if values.dtype.kind == "M":
        return True
    found = values[~missing(values)] if values.dtype.kind == "O" else []
    return sum(map(_is_date, found)) > len(found) / 2


def _is_date(value: object) -> bool:
    if isinstance(value, str):
        return _ISO.fullmatch(value.strip()) is not None
    return isinstance(value, (datetime.date, np.datetime64))


def _days(label: str, value: object, row: int) -> float:
    try:
        moment = _moment(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{label} must hold dates such as 2024-05-31, got {value!r} in row {row}; correct the "
            f"value, or name the column in categorical."
        ) from None
    return float(moment.astype(np.int64)) / 86_400_000


def _moment(value: object) -> np.datetime64:
    """In UTC; ValueError or TypeError for what is no date."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    if not isinstance(value, str):
        return np.datetime64(value, "ms")  # type: ignore[call-overload]
    found = _ISO.fullmatch(value.strip())
    if found is None:
        raise ValueError
    date, _, sign, hours, minutes = found.groups()
    ahead = 0 if sign is None else int(f"{sign}1") * (60 * int(hours) + int(minutes))
    return np.datetime64(date, "ms") - np.timedelta64(ahead, "m")
