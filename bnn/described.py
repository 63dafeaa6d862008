"""Objects that Keras can save by the arguments of their constructor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras


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

    @classmethod
    def from_config(cls, config: dict) -> Any:
        """The object that `get_config` described."""
        return cls(**{name: _decode(value) for name, value in config.items()})


def _encode(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {"mapping": {name: _encode(v) for name, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_encode(v) for v in value]
    return keras.saving.serialize_keras_object(value)


def _decode(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"mapping"}:
        return {name: _decode(v) for name, v in value["mapping"].items()}
    if isinstance(value, list):
        return [_decode(v) for v in value]
    return keras.saving.deserialize_keras_object(value)
