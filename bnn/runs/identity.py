"""What was passed to a run in Python, described so that two runs can be told apart.

A gin configuration says by itself what a run is. Objects, functions and data given in Python are
described here as JSON values: two equal descriptions mean the same run, and what cannot be
described is refused, because a folder could not tell it from another.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import math
import pathlib
import types
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.data import memory
from bnn.data.dataset_checks import probe
from bnn.data.fingerprint import fingerprint as digest_of
from bnn.data.recorded import is_recorded

_PLAIN = (bool, int, str, type(None))
# State that training changes, or caches: the same object is the same description before and after.
_STATE = (keras.Variable, tf.Variable, keras.Model, types.ModuleType)
_DEEPEST = 12
# Of a data set: how it is read, and what its scaling says.
_NOT_CONTENT = ("preparation", "train_source", "test_source", "num_workers")


class UndescribableError(ValueError):
    """An argument that a folder could not tell from another."""


def describe(name: str, value: Any) -> Any:
    """The canonical description of one argument, JSON values.

    Numbers, texts and containers describe themselves; arrays and data sets by their bytes; Keras
    objects by class and configuration; other objects by class and attributes, variables left out;
    functions by module and name, those of `__main__`, lambdas and inner functions by their source
    and what they close over, too.

    Args:
      name: of the argument, for the error.
      value: the argument.

    Raises:
      UndescribableError: names the part and the remedy.
    """
    return _described(name, value, 0)


def fingerprint(data: Any) -> dict[str, Any]:
    """Name, scales and a digest of every part of a data set, JSON values.

    `scaling` is what `bnn.data.scaling.Scaling.from_json` takes: raw inputs can be prepared, and
    outputs brought to the targets' own units, without the source's file. Of a part that is
    streamed, length and a few examples are digested; `num_train` is the training part's length.

    A data set with a method `fingerprint` says it itself.
    """
    if is_recorded(data):  # there is nothing but what was recorded
        return data.train_source.described
    if callable(getattr(data, "fingerprint", None)):
        return data.fingerprint()
    names = [f.name for f in dataclasses.fields(data) if f.name not in _NOT_CONTENT]
    found = {name: _field(getattr(data, name)) for name in names}
    for name in ("train_source", "test_source"):
        source = getattr(data, name, None)
        if source is not None:  # read in full it would fill the memory
            found[name] = digest_of(probe(source), [len(source)])
    if found.get("train_source") is not None:
        found["num_train"] = data.num_train
    if hasattr(data, "scaling"):
        found["scaling"] = json.loads(json.dumps(data.scaling.to_json()))
    return found


def differences(held: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """The names whose descriptions differ, in order."""
    names = [*held, *(name for name in asked if name not in held)]
    return [name for name in names if held.get(name) != asked.get(name)]


def changes_of_data(held: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """The names whose descriptions in two fingerprints differ; none where nothing was recorded.

    An earlier version recorded no `num_train`: a record without it goes with any.
    """
    if not held:
        return []
    added = {"num_train"} - set(held)
    return differences(held, {name: one for name, one in asked.items() if name not in added})


def _field(value: Any) -> Any:
    """Scales as numbers that can be read, examples as a digest."""
    if isinstance(value, np.ndarray) and value.ndim <= 1 and value.size <= 1024:
        return value.tolist() if value.dtype.kind in "fiub" else [str(v) for v in value]
    return _described("data", value, 0)


def _described(name: str, value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise _undescribable(name, value, "it is nested too deeply, or holds itself")
    deeper = depth + 1
    if isinstance(value, _STATE):
        raise _undescribable(name, value, "it is state, which training changes")
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, (bytes, complex, slice, range)):
        return repr(value)
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if isinstance(value, (np.ndarray, np.generic)) or tf.is_tensor(value):
        return _array(name, np.asarray(value))
    if isinstance(value, Mapping):
        items = {str(k): _described(f"{name}[{k!r}]", v, deeper) for k, v in value.items()}
        return dict(sorted(items.items()))
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((_described(name, v, deeper) for v in value), key=repr)}
    if isinstance(value, Sequence):
        return [_described(f"{name}[{i}]", v, deeper) for i, v in enumerate(value)]
    if isinstance(value, functools.partial):
        arguments = list(value.args), dict(value.keywords)
        return {
            "partial": _described(name, value.func, deeper),
            "arguments": _described(name, arguments, deeper),
        }
    if isinstance(value, type):
        return {"class": _name(value)}
    if isinstance(value, types.MethodType):
        owner = _described(name, value.__self__, deeper)
        return {"method": value.__func__.__qualname__, "of": owner}
    if isinstance(value, types.BuiltinFunctionType):
        return {"function": _name(value)}
    if isinstance(value, types.FunctionType):
        return _function(name, value, deeper)
    return _object(name, value, deeper)


def _array(name: str, array: np.ndarray) -> Any:
    if array.dtype == object:
        raise _undescribable(name, array, "an array of objects has no bytes of its own")
    digest = hashlib.blake2b(digest_size=16)
    rows = array if array.ndim else array[np.newaxis]
    for part in memory.blocks(rows):  # the bytes of all of it would be the data once more
        digest.update(np.ascontiguousarray(rows[part]).tobytes())
    return {"array": str(array.dtype), "shape": list(array.shape), "digest": digest.hexdigest()}


def _function(name: str, function: types.FunctionType, depth: int) -> Any:
    described: dict[str, Any] = {"function": _name(function)}
    importable = function.__module__ != "__main__" and "<" not in function.__qualname__
    if importable:
        return described
    try:  # redefined under the same name, in a notebook or a script, it is another
        described["source"] = inspect.getsource(function)
    except (OSError, TypeError):
        described["code"] = _code(function.__code__)
    if function.__name__ == "<lambda>":  # several may stand in one line
        described["code"] = _code(function.__code__)
    if function.__defaults__:
        described["defaults"] = _described(name, function.__defaults__, depth)
    if function.__kwdefaults__:
        described["defaults by name"] = _described(name, function.__kwdefaults__, depth)
    if function.__closure__:
        cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
        described["around"] = {
            variable: _described(f"{name}'s variable {variable!r}", cell.cell_contents, depth)
            for variable, cell in cells
        }
    return described


def _code(code: types.CodeType) -> str:
    """Instructions, names and constants, those of inner functions included."""
    constants = [_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names!r} {constants!r}"


def _object(name: str, value: Any, depth: int) -> Any:
    described: dict[str, Any] = {"class": _name(type(value))}
    config = _configuration(value)
    if config is not None:
        described["configuration"] = _described(name, config, depth)
        return described
    if dataclasses.is_dataclass(value):
        attributes = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    elif hasattr(value, "__dict__"):
        attributes = dict(vars(value))
    else:
        raise _undescribable(name, value, "it has neither attributes nor a configuration")
    for attribute, part in sorted(attributes.items()):
        if part is None or _is_state(part):
            continue
        of_part = _described(f"{name}.{attribute}", part, depth)
        if of_part not in ({}, []):
            described[attribute] = of_part
    return described


def _configuration(value: Any) -> Mapping[str, Any] | None:
    """What Keras would save of an object; None where it cannot, as an objective before `bind`."""
    try:
        config = value.get_config()
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None
    # Keras counts up the names of objects that were given none.
    return {name: part for name, part in config.items() if name != "name"}


def _is_state(value: Any) -> bool:
    if isinstance(value, (Mapping, list, tuple)):
        parts = list(value.values() if isinstance(value, Mapping) else value)
        return bool(parts) and all(_is_state(part) for part in parts)
    compiled = hasattr(value, "get_concrete_function")
    return compiled or isinstance(value, _STATE) or type(value).__name__ == "Problem"


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _undescribable(name: str, value: Any, reason: str) -> UndescribableError:
    return UndescribableError(
        f"argument {name} cannot be told from another by what it is made of: {value!r:.100} "
        f"({reason}); give a functools.partial of a function of a module, an object with "
        "get_config, or bind it in a gin file."
    )
