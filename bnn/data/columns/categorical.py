"""Categories, one feature each."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import numbers
from typing import ClassVar, Literal

import numpy as np

from bnn.data.columns.base import Column, missing

Unseen = Literal["refuse", "zeros"]
_SINGLE = (str, numbers.Number, np.bool_, datetime.date, np.datetime64)


@dataclasses.dataclass(frozen=True)
class CategoricalColumn(Column):
    """One-hot in the categories of the training rows, in sorted order.

    Attributes:
      categories: as texts; whole numbers without a point.
      text: the training rows held texts, not numbers.
      unseen: a category that was not in the training rows is refused, or gives zeros.
    """

    kind: ClassVar[str] = "categorical"
    categories: tuple[str, ...]
    text: bool
    unseen: Unseen

    @classmethod
    def fit(
        cls, table: str, name: str, values: np.ndarray, impute: bool, unseen: Unseen, limit: int
    ) -> CategoricalColumn:
        """Returns the column fitted to the training values `[N]`; ValueError above the limit."""
        absent = missing(values)
        present = values[~absent]
        other = next((value for value in present if not isinstance(value, _SINGLE)), None)
        if other is not None:
            raise ValueError(
                f"{table}: column {name!r} must hold numbers, texts or dates, got "
                f"{type(other).__name__}, {str(other)[:40]!r}; give one value a row of such a kind."
            )
        categories = sorted_categories(present)
        if not 1 <= len(categories) <= limit:
            raise ValueError(
                f"{table}: column {name!r} must have 1 to {limit} categories in the training part, "
                f"got {len(categories)}; leave it out with drop, or raise max_categories."
            )
        indicator = impute and bool(absent.any())
        return cls(name, indicator, categories, any(map(_is_text, present)), unseen)

    @property
    def own_features(self) -> tuple[str, ...]:
        """A name a category: `colour=red`."""
        return tuple(f"{self.name}={category}" for category in self.categories)

    def encode_present(
        self, label: str, values: np.ndarray, present: np.ndarray, out: np.ndarray
    ) -> None:
        """Writes 1 at the category's place."""
        places = {category: place for place, category in enumerate(self.categories)}
        for row in np.flatnonzero(present):
            value = values[row]
            if _is_text(value) != self.text:
                kinds = ("texts", "a number") if self.text else ("numbers", "a text")
                raise ValueError(
                    f"{label} must hold {kinds[0]}, as in the training part, got "
                    f"{as_category(value)!r}, {kinds[1]}, in row {row}; give the column "
                    f"as the source has it."
                )
            place = places.get(as_category(value))
            if place is not None:
                out[row, place] = 1
            elif self.unseen == "refuse":
                known = ", ".join(map(repr, self.categories[:10]))
                raise ValueError(
                    f"{label} must hold a category of the training part ({known}"
                    f"{', …' if len(self.categories) > 10 else ''}), got {as_category(value)!r} in "
                    f"row {row}, which was never seen; correct it, or train with unseen='zeros'."
                )


def as_category(value: object) -> str:
    """Returns a value as the text of its category: 3, 3.0 and Decimal("3.00") are the same."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, numbers.Integral):  # a float would make one of two ids near 2⁵³
        return str(int(value))
    if isinstance(value, decimal.Decimal) and value.is_finite():
        value = int(value) if value == value.to_integral_value() else float(value)
    elif isinstance(value, numbers.Real) and float(value).is_integer():
        value = int(float(value))
    return str(value)


def sorted_categories(values: np.ndarray) -> tuple[str, ...]:
    """Returns the different categories, numbers in the order of their size, texts by alphabet."""
    found = {as_category(value): value for value in values}
    if all(isinstance(value, (numbers.Real, decimal.Decimal)) for value in found.values()):
        return tuple(sorted(found, key=lambda category: found[category]))
    return tuple(sorted(found))


def _is_text(value: object) -> bool:
    return isinstance(value, str)
