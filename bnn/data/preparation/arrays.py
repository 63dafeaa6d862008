"""Preparation of arrays, and of dicts and tuples of things that are prepared each for itself."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from bnn.data import memory, nests, scales
from bnn.data.checks import check_finite, check_unmasked, to_int32
from bnn.data.nests import Nest
from bnn.data.preparation.base import Preparation, from_json


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayPreparation(Preparation):
    """Reshapes `[N, ...]` to `[N, *shape]` and standardises: `(raw − loc) / scale`.

    Attributes:
      shape: of one input.
      loc, scale: float64, broadcast to one input; None: the values as they are.
      integer: the inputs are int32, such as token numbers; they are not scaled.
      pixels: the source holds bytes, that become numbers in [0, 1] first; so do raw bytes.
    """

    kind: ClassVar[str] = "array"
    shape: tuple[int, ...]
    loc: np.ndarray | None = None
    scale: np.ndarray | None = None
    integer: bool = False
    pixels: bool = False

    def prepare(self, name: str, raw: Any) -> np.ndarray:
        """Returns float32 (int32 for integers) `[N, *shape]`.

        Raises:
          ValueError: values that are no numbers, or another number of values an example.
        """
        check_unmasked(name, "raw", raw)
        try:
            raw = np.asarray(raw)
        except ValueError:  # rows of different length
            raw = np.empty((), object)
        if raw.dtype.kind not in "buif":
            raise ValueError(
                f"{name}: raw must hold numbers in rows of one length, got {raw.dtype}; give an "
                f"array [N, ...] with the values of {self.shape} an example."
            )
        if raw.ndim < 1 or raw[:1].size != (len(raw) > 0) * np.prod(self.shape, dtype=int):
            raise ValueError(
                f"{name}: raw must be [N, ...] with the values of {self.shape} an "
                f"example, got shape {raw.shape}; resize the inputs first."
            )
        _refuse_other_axes(name, raw.shape[1:], self.shape)
        check_finite(name, "raw", raw)
        if self.pixels:
            check_pixels(name, raw)
        x = raw.reshape((len(raw), *self.shape))
        if self.pixels and x.dtype == np.uint8:
            x = memory.filled(x, divisor=255)
        if not self.integer:
            return scales.standardize(x, self.loc, self.scale)
        if not np.issubdtype(x.dtype, np.integer):
            raise ValueError(
                f"{name}: raw must hold integers, as the training part did, got {x.dtype}; give "
                f"the numbers of tokens or categories."
            )
        return to_int32(name, "raw", x)

    def recognises(self, raw: Any) -> bool:
        """Returns True for pixels in bytes."""
        return self.pixels and getattr(raw, "dtype", None) == np.uint8

    def fields(self) -> dict[str, Any]:
        """Returns shape, loc, scale and integer, and pixels where they are."""
        return {
            "shape": list(self.shape),
            "loc": None if self.loc is None else np.asarray(self.loc, np.float64).tolist(),
            "scale": None if self.scale is None else np.asarray(self.scale, np.float64).tolist(),
            "integer": self.integer,
            **({"pixels": True} if self.pixels else {}),
        }

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> ArrayPreparation:
        """Returns the preparation with these fields."""
        loc, scale = (
            None if fields[key] is None else np.asarray(fields[key], np.float64)
            for key in ("loc", "scale")
        )
        pixels = bool(fields.get("pixels", False))
        return cls(tuple(fields["shape"]), loc, scale, bool(fields["integer"]), pixels)


@dataclasses.dataclass(frozen=True, eq=False)
class NestPreparation(Preparation):
    """A dict or a tuple of inputs, each with a preparation of its own.

    Attributes:
      parts: preparations in the structure of the inputs.
    """

    kind: ClassVar[str] = "nest"
    parts: dict[str, Preparation] | tuple[Preparation, ...]

    def prepare(self, name: str, raw: Any) -> Nest:
        """Returns the inputs in the structure of the parts.

        Raises:
          ValueError: another structure, or inputs of different length.
        """
        raw = tuple(raw) if isinstance(raw, list) else raw
        nests.check_structure(name, "raw", raw, "the training part", self.parts)
        prepared = {
            label: preparation.prepare(f"{name}: {label}", value)
            for (label, value), (_, preparation) in zip(
                _sorted("raw", raw), _sorted("raw", self.parts), strict=True
            )
        }
        lengths = {label: len(nests.first(value)) for label, value in prepared.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"{name}: all inputs of raw must have one row an example, got "
                f"{', '.join(f'{n} in {label}' for label, n in lengths.items())}; pair them."
            )
        if isinstance(self.parts, tuple):
            return tuple(prepared[f"raw[{i}]"] for i in range(len(self.parts)))
        return {key: prepared[f"raw[{key!r}]"] for key in self.parts}

    def recognises(self, raw: Any) -> bool:
        """Returns whether a part is recognised by its preparation."""
        pairs: list[tuple[Preparation, Any]] = []
        if isinstance(self.parts, dict):
            if isinstance(raw, dict) and set(raw) == set(self.parts):
                pairs = [(part, raw[key]) for key, part in self.parts.items()]
        elif isinstance(raw, tuple) and len(raw) == len(self.parts):
            pairs = list(zip(self.parts, raw, strict=True))
        return any(part.recognises(value) for part, value in pairs)

    def fields(self) -> dict[str, Any]:
        """Returns the parts."""
        if isinstance(self.parts, tuple):
            return {"parts": [part.to_json() for part in self.parts]}
        return {"parts": {key: part.to_json() for key, part in self.parts.items()}}

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> NestPreparation:
        """Returns the preparation with these parts."""
        stored = fields["parts"]
        if isinstance(stored, list):
            return cls(tuple(from_json(part) for part in stored))
        return cls({key: from_json(part) for key, part in stored.items()})


def check_pixels(name: str, raw: np.ndarray) -> None:
    """Raises ValueError for bytes in another type, which would be 255 times too large."""
    if raw.dtype == np.uint8 or not raw.size or raw.dtype.kind == "b":
        return
    if raw.dtype.kind in "iu" or (
        raw.max() > 2 and raw.min() >= 0 and (raw == np.floor(raw)).all()
    ):
        raise ValueError(
            f"{name}: raw pixels must be unsigned bytes, or numbers in [0, 1], got {raw.dtype} up "
            f"to {raw.max()}; convert bytes with raw.astype('uint8'), or divide by 255."
        )


def _refuse_other_axes(name: str, seen: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """As many values in another order of axes, such as channels first, would be shuffled."""
    given, wanted = ([n for n in one if n != 1] for one in (seen, shape))
    if given != wanted and len(given) > 1 and len(wanted) > 1:
        raise ValueError(
            f"{name}: raw must be [N, ...] with examples of shape {shape}, or flat, got {seen}; "
            f"bring the axes into this order, channels last."
        )


def _sorted(label: str, nest: Nest) -> list[tuple[str, Any]]:
    return sorted(nests.leaves(label, nest), key=lambda leaf: leaf[0])
