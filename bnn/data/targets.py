"""Targets in their own units to what a Dataset holds: kinds, classes and scales."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from bnn.data import checks, nests, scales
from bnn.data.nests import Nest
from bnn.data.splits import PARTS


@dataclasses.dataclass
class Targets:
    """What `prepared_targets` gives: the fields of a Dataset."""

    parts: dict[str, Nest]
    num_classes: Any
    target_kinds: Any
    target_loc: Any
    target_scale: Any


def prepared_targets(
    name: str, raw: dict[str, Nest], num_classes: Any = None, target_kinds: Any = None
) -> Targets:
    """Returns targets as a Dataset wants them, values standardised by the training part.

    Args:
      name: of the set.
      raw: the targets `[N, ...]` of every part, in their own units and one structure.
      num_classes: of labels; default: one more than the largest label of the training part.
      target_kinds: as in Dataset; default: integers `[N]` are labels, other numbers values.

    Raises:
      ValueError: a value that is not finite, labels beyond the classes, or constant targets.
    """
    for part in PARTS:
        nests.check_structure(name, f"y_{part}", raw[part], "y_train", raw["train"])
    if not isinstance(raw["train"], dict):
        one = _one_target(name, "", raw, num_classes, target_kinds)
        return Targets(one.pop("parts"), **one)
    found = {
        key: _one_target(
            name,
            f"[{key!r}]",
            {part: raw[part][key] for part in PARTS},
            (num_classes or {}).get(key),
            (target_kinds or {}).get(key),
        )
        for key in raw["train"]
    }
    described = {
        field: {key: one[field] for key, one in found.items() if one[field] is not None}
        for field in ("num_classes", "target_kinds", "target_loc", "target_scale")
    }
    parts = {part: {key: one["parts"][part] for key, one in found.items()} for part in PARTS}
    return Targets(parts, **described)


def _one_target(
    name: str, key: str, raw: dict[str, np.ndarray], num_classes: int | None, kind: str | None
) -> dict[str, Any]:
    raw = {part: np.asarray(y) for part, y in raw.items()}
    for part, y in raw.items():
        if y.dtype.kind not in "buif":
            raise ValueError(
                f"{name}: y_{part}{key} must hold numbers, got {y.dtype}; number the classes from "
                f"0, or encode the values."
            )
        checks.check_finite(name, f"y_{part}{key}", y)
        if y.dtype.kind == "b":
            raw[part] = y.astype(np.int32)
    train = raw["train"]
    is_label = train.dtype.kind in "ui" and train.ndim == 1
    kind = kind or ("labels" if is_label or num_classes is not None else "values")
    if kind.startswith("label") and num_classes is None:
        num_classes = max(2, int(train.max()) + 1) if train.size else 2
    described: dict[str, Any] = {
        "num_classes": num_classes if kind.startswith("label") else None,
        "target_kinds": kind,
        "target_loc": None,
        "target_scale": None,
    }
    if kind in ("values", "counts"):
        raw = {part: y[:, np.newaxis] if y.ndim == 1 else y for part, y in raw.items()}
        _check_varies(name, f"y_train{key}", raw["train"])
    if kind == "values":
        loc, scale = scales.columns(raw["train"])
        described |= {"target_loc": loc, "target_scale": scale}
        parts = {part: scales.standardize(y, loc, scale) for part, y in raw.items()}
    elif kind == "counts":
        parts = {part: y.astype(np.float32) for part, y in raw.items()}
    else:
        for part, y in raw.items():
            if kind == "multi_label":
                checks.check_whole(name, f"y_{part}{key}", y)
            if kind in ("labels", "label_map"):
                checks.check_label_range(
                    name, f"y_{part}{key}", y, num_classes, is_map=kind == "label_map"
                )
        parts = {part: checks.to_int32(name, f"y_{part}{key}", y) for part, y in raw.items()}
    return {"parts": parts, **described}


def _check_varies(name: str, label: str, values: np.ndarray) -> None:
    if values.ndim != 2 or not len(values):
        return  # the Dataset says it
    constant = values.min(axis=0) == values.max(axis=0)
    if constant.any():
        column = int(np.argmax(constant))
        raise ValueError(
            f"{name}: the targets in {label} must vary, got {values[0, column]} in all "
            f"{len(values)} training rows of column {column}; there is nothing to learn: choose "
            f"another target."
        )
