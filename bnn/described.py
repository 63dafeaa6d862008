"""Objects that Keras can save by the arguments of their constructor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

_LONGEST = 80  # letters of one argument
_MISSING = object()


class Described:
    """Gives Keras's `get_config` and `from_config` to a class whose arguments are attributes.

    An argument `a` is read from the attribute `_a` where there is one, else from `a`.
    """

    def get_config(self) -> dict:
        """The constructor's arguments as JSON values."""
        held, config = vars(self), {}
        for name, argument in inspect.signature(type(self)).parameters.items():
            if argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
                private = f"_{name}"
                value = held[private] if private in held else getattr(self, name)
                config[name] = _encode(value)
        return config

    def __repr__(self) -> str:
        """The call that makes it, with the arguments that differ from their defaults."""
        return constructor_call(self)

    @classmethod
    def from_config(cls, config: dict) -> Any:
        """The object that `get_config` described."""
        return cls(**{name: decoded(value) for name, value in config.items()})


def constructor_call(value: Any) -> str:
    """`Class(argument=…)`, with the arguments that differ from their defaults.

    An argument `a` is read from the attribute `_a` where there is one, else from `a`; one that is
    kept under neither is left off. Where None stands for a default object, an argument is compared
    with that of an object made without it.
    """
    parameters = inspect.signature(type(value)).parameters
    held = {name: _argument(value, name) for name in parameters}
    required = {n: held[n] for n, p in parameters.items() if p.default is p.empty and n in held}
    try:
        plain = type(value)(**required)
    except (TypeError, ValueError):
        plain = None
    shown = []
    for name, argument in parameters.items():
        if held[name] is _MISSING or argument.kind in (
            argument.VAR_POSITIONAL,
            argument.VAR_KEYWORD,
        ):
            continue
        text = _shown(held[name])
        defaults = () if name in required else (argument.default, _argument(plain, name))
        if text not in map(_shown, defaults):
            shown.append(f"{name}={text if len(text) <= _LONGEST else type(held[name]).__name__}")
    return f"{type(value).__name__}({', '.join(shown)})"


def _argument(value: Any, name: str) -> Any:
    held = vars(value).get(f"_{name}", _MISSING) if hasattr(value, "__dict__") else _MISSING
    return getattr(value, name, _MISSING) if held is _MISSING else held


def _shown(value: Any) -> str:
    own = type(value).__repr__ is not object.__repr__ or value is _MISSING
    return repr(value) if own else constructor_call(value)


def _encode(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {"mapping": {name: _encode(v) for name, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_encode(v) for v in value]
    return keras.saving.serialize_keras_object(value)


def decoded(value: Any) -> Any:
    """The argument that `get_config` has as JSON values."""
    if isinstance(value, Mapping) and set(value) == {"mapping"}:
        return {name: decoded(v) for name, v in value["mapping"].items()}
    if isinstance(value, list):
        return [decoded(v) for v in value]
    return keras.saving.deserialize_keras_object(value)
