"""Whether a model is still the one that was compiled: a replaced layer is another model."""

from __future__ import annotations

import weakref
from typing import Any

import keras

from bnn.compat import all_layers

_VALUES = (bool, int, float, complex, str, bytes, type(None))


class Identity:
    """The layers, variables and public attributes of a model, held weakly.

    Attributes count by value where they are numbers or strings, such as a rate, and by identity
    where they are objects, such as an activation. What a layer keeps under a private name, or
    changes inside of an object, is not seen.
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
    try:
        return weakref.ref(part)
    except TypeError:  # a builtin container: tracked ones are other types
        return id(part)


def _same(held: Any, part: Any) -> bool:
    if isinstance(held, weakref.ref):
        return held() is part
    if isinstance(part, _VALUES):
        return type(held) is type(part) and (held == part or (held != held and part != part))
    return held == id(part)
