"""What every kind of column does."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import numpy as np

_KINDS: dict[str, type[Column]] = {}
# Text that stands for a missing value, as in pandas; compared in lower case.
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "nat"})


@dataclasses.dataclass(frozen=True)
class Column(abc.ABC):
    """One column of a table, encoded as `width` features.

    Attributes:
      name: of the column.
      indicator: a last feature is 1 where the value is missing; False: missing values are refused.
    """

    kind: ClassVar[str]
    name: str
    indicator: bool

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        _KINDS[cls.kind] = cls

    @property
    @abc.abstractmethod
    def own_features(self) -> tuple[str, ...]:
        """Names of the features, without the indicator."""

    @abc.abstractmethod
    def encode_present(
        self, label: str, values: np.ndarray, present: np.ndarray, out: np.ndarray
    ) -> None:
        """Fills `out[present]`, `[N, len(own_features)]`; ValueError for what does not fit."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features."""
        return (*self.own_features, f"{self.name}_missing") if self.indicator else self.own_features

    def encode(self, table: str, values: np.ndarray, out: np.ndarray) -> None:
        """Writes the features of values `[N]` into out, float32 zeros `[N, len(features)]`.

        Raises:
          ValueError: a missing value where the training rows had none, or one that does not fit.
        """
        label = f"{table}: column {self.name!r}"
        absent = missing(values)
        if absent.any():
            if not self.indicator:
                row = int(np.argmax(absent))
                raise ValueError(
                    f"{label} must have no missing values, as in the training part, got one in row "
                    f"{row} ({int(absent.sum())} such rows); fill them in, or train with "
                    f"missing='impute' on rows where some are missing."
                )
            out[:, -1] = absent
        self.encode_present(label, values, ~absent, out[:, : len(self.own_features)])

    def to_json(self) -> dict[str, Any]:
        """Returns the column in JSON's types."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        lists = {key: list(v) if isinstance(v, tuple) else v for key, v in fields.items()}
        return {"kind": self.kind, **lists}


def from_json(stored: dict[str, Any]) -> Column:
    """Returns the column that `to_json` was asked of; KeyError or TypeError for another object."""
    fields: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k != "kind"
    }
    return _KINDS[stored["kind"]](**fields)


def missing(values: np.ndarray) -> np.ndarray:
    """Returns which values `[N]` are missing: None, NaN, pandas's NA, and texts such as "NA"."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "M":
        return np.isnat(values)
    if values.dtype.kind in "biu":
        return np.zeros(len(values), bool)
    return np.fromiter((_is_missing(value) for value in values), bool, len(values))


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return value.strip().lower() in _MISSING
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))
