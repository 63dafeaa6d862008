"""Whether a model is still the one that was compiled: a replaced layer is another model."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import keras
import numpy as np

from bnn.compat import all_layers

_VALUES = (bool, int, float, complex, str, bytes, type(None), np.generic)


class _Content(NamedTuple):
    """A list, tuple or dict: its type and what is in it."""

    kind: type
    held: list[Any]


class Identity:
    """The layers, variables and public attributes of a model, held weakly.

    Attributes count by value where they are numbers or strings, such as a rate, by content where
    they are lists, tuples or dicts, and by identity where they are other objects, such as an
    activation. What a layer keeps under a private name, or changes inside of such an object, is not
    seen.
    """

    def __init__(self, model: keras.Model) -> None:
        self._parts = [_held(part) for part in _parts(model)]

    def matches(self, model: keras.Model) -> bool:
        """Whether the model consists of the same objects and values."""
        parts = _parts(model)
        return len(parts) == len(self._parts) and all(
            _same(held, part) for held, part in zip(self._parts, parts, strict=True)
        )


def _parts(model: keras.Model) -> list[Any]:
    parts: list[Any] = []
    for layer in all_layers(model):
        parts.append(layer)
        for name, value in vars(layer).items():
            if not name.startswith("_"):
                parts += [name, value]
    return parts + list(model.variables)


def _held(part: Any) -> Any:
    if isinstance(part, _VALUES):
        return part
    items = _items(part)
    if items is not None:
        return _Content(type(part), [_held(item) for item in items])
    try:
        return weakref.ref(part)
    except TypeError:  # of a builtin type, such as a range: none that holds a model
        return part


def _items(part: Any) -> list[Any] | None:
    if isinstance(part, dict):
        return [x for item in part.items() for x in item]
    return list(part) if isinstance(part, (list, tuple)) else None


def _same(held: Any, part: Any) -> bool:
    if isinstance(held, weakref.ref):
        return held() is part
    if isinstance(held, _Content):
        items = _items(part)
        return (
            type(part) is held.kind
            and items is not None
            and len(items) == len(held.held)
            and all(_same(one, item) for one, item in zip(held.held, items, strict=True))
        )
    if isinstance(part, _VALUES):
        return type(held) is type(part) and bool(held == part or (held != held and part != part))
    return held is part
