"""Whether a value is of an annotation's kind, and the kind in words."""

from __future__ import annotations

import collections.abc
import inspect
import math
import numbers
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

_UNIONS = (typing.Union, types.UnionType)
_WORDS = {
    bool: "True or False",
    int: "an integer",
    float: "a finite number",
    str: "a text",
    type(None): "None",
    collections.abc.Callable: "a function",
}


class Made:
    """An object that is not there yet: what is known of its class, or None."""

    def __init__(self, kind: type | None, text: str) -> None:
        self.kind = kind
        self._text = text

    def __repr__(self) -> str:
        return self._text


class Named:
    """A class or function that is passed as it is, not called."""

    def __init__(self, target: Callable, text: str) -> None:
        self.target = target
        self._text = text

    def __repr__(self) -> str:
        return self._text


def fits(kind: Any, value: Any) -> bool:
    """Whether the value is of the kind; True for kinds that this module does not know.

    A whole number is a number, True and 1.0 are no integers, a text is no list of texts, and a
    list is as good as a tuple.

    Args:
      kind: an annotation.
      value: plain, `Made`, `Named`, or a container of such.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or (isinstance(value, Made) and value.kind is None):
        return True
    if origin in _UNIONS:
        return any(fits(one, value) for one in arguments)
    if origin is typing.Annotated:
        return fits(arguments[0], value)
    if origin is typing.Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if kind is None or kind is type(None):
        return value is None
    if kind in (int, float, bool):
        return _is_number(kind, value)
    origin = origin or kind
    if origin is collections.abc.Callable:
        return _can_be_called(arguments, value)
    if not isinstance(origin, type) or origin is object:
        return True
    return _is_object(origin, arguments, value)


def words(kind: Any) -> str:
    """What a value of the kind must be: `an integer or None`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in _UNIONS:
        return " or ".join(dict.fromkeys(words(one) for one in arguments))
    if origin is typing.Annotated:
        return words(arguments[0])
    if origin is typing.Literal:
        return " or ".join(map(repr, arguments))
    if kind is None:
        return "None"
    if (plain := _WORDS.get(origin or kind)) is not None:
        return plain
    origin = origin or kind
    if not isinstance(origin, type):
        return "another object"
    if issubclass(origin, collections.abc.Mapping):
        return (
            f"a dictionary whose values are each {words(arguments[1])}" if arguments else "a dict"
        )
    if issubclass(origin, collections.abc.Sequence):
        each = [one for one in arguments if one is not Ellipsis]
        return f"a list, each of it {words(each[0])}" if each else "a list"
    article = "an" if origin.__name__[0] in "AEIOU" else "a"
    return f"{article} {origin.__name__} object"


def kinds(configurable: Callable, own: bool = False) -> dict[str, tuple[Any, Any]]:
    """Annotation and default of every parameter by its name.

    Where there is no annotation, a default that is True, False or a fraction says what is meant.
    What cannot be read is `Any`.

    Args:
      configurable: a class or function.
      own: leave out the parameters that a base class adds.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for function in _functions(configurable):
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            break
        for parameter in parameters:
            named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            if named and not (parameter.name == "self" and inspect.isclass(configurable)):
                kind = _annotation(function, parameter)
                found.setdefault(parameter.name, (kind, parameter.default))
        if own or not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def result(configurable: Callable) -> type | None:
    """The class of what a class or function gives, where it says so."""
    if inspect.isclass(configurable):
        return configurable
    given = _evaluated(configurable, getattr(configurable, "__annotations__", {}).get("return"))
    return given if inspect.isclass(given) else None


def _is_number(kind: type, value: Any) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, numbers.Integral)
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _can_be_called(arguments: tuple[Any, ...], value: Any) -> bool:
    if isinstance(value, Made):
        assert value.kind is not None
        gives = arguments[1] if len(arguments) == 2 else None
        called = any("__call__" in vars(base) for base in value.kind.__mro__)
        return called and value.kind is not gives
    return isinstance(value, Named) or callable(value)


def _is_object(kind: type, arguments: tuple[Any, ...], value: Any) -> bool:
    if isinstance(value, Made):
        assert value.kind is not None
        return _related(value.kind, kind)
    if isinstance(value, Named):
        return kind is type
    if issubclass(kind, collections.abc.Mapping):
        return isinstance(value, collections.abc.Mapping) and all(
            fits(arguments[1], one) for one in (value.values() if arguments else ())
        )
    if issubclass(kind, collections.abc.Sequence) and kind is not str:
        if isinstance(value, (str, bytes)) or not isinstance(value, collections.abc.Sequence):
            return False
        return _are_elements(kind, arguments, value)
    try:
        return isinstance(value, kind)
    except TypeError:  # protocols that are for type checkers only
        return True


def _are_elements(kind: type, arguments: tuple[Any, ...], value: Any) -> bool:
    if not arguments:
        return True
    if kind is tuple and Ellipsis not in arguments:
        return len(value) == len(arguments) and all(map(fits, arguments, value))
    return all(fits(arguments[0], one) for one in value)


def _related(one: type, other: type) -> bool:
    """Whether an object of the first can be one of the second, as far as is known."""
    try:
        return issubclass(one, other) or issubclass(other, one)
    except TypeError:
        return True


def _functions(configurable: Callable) -> list[Callable]:
    if not inspect.isclass(configurable):
        return [configurable]
    own = [vars(base).get("__init__") for base in configurable.__mro__ if base is not object]
    return [function for function in own if function is not None]


def _annotation(function: Callable, parameter: inspect.Parameter) -> Any:
    if parameter.annotation is not parameter.empty:
        return _evaluated(function, parameter.annotation)
    default = type(parameter.default)
    return default if default in (bool, float) else Any


def _evaluated(function: Callable, annotation: Any) -> Any:
    if not isinstance(annotation, str):
        return annotation
    function = inspect.unwrap(function)
    try:
        return eval(annotation, vars(sys.modules[function.__module__]))
    except Exception:  # names that only a type checker has
        return Any
