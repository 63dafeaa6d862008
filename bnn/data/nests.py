"""Inputs and targets as an array, a dict of arrays or a tuple of arrays: one level, no deeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# An array, `{name: array}` or `(array, …)`.
Nest = Any


def leaves(label: str, nest: Nest) -> list[tuple[str, Any]]:
    """Returns every array with the name that errors call it: `x_train`, `x_train['image']`."""
    if isinstance(nest, dict):
        return [(f"{label}[{key!r}]", value) for key, value in nest.items()]
    if isinstance(nest, tuple):
        return [(f"{label}[{i}]", value) for i, value in enumerate(nest)]
    return [(label, nest)]


def mapped(function: Callable[..., Any], nest: Nest, *others: Nest) -> Nest:
    """Returns the nest of `function(leaf, …)`; others have the same structure, or are None."""
    if isinstance(nest, dict):
        return {k: function(v, *(_item(o, k) for o in others)) for k, v in nest.items()}
    if isinstance(nest, tuple):
        return tuple(function(v, *(_item(o, i) for o in others)) for i, v in enumerate(nest))
    return function(nest, *others)


def structure(nest: Nest) -> str:
    """Returns the structure in words: "an array", "a dict of 'a', 'b'", "a tuple of 2"."""
    if isinstance(nest, dict):
        return "a dict of " + ", ".join(map(repr, sorted(nest)))
    if isinstance(nest, tuple):
        return f"a tuple of {len(nest)}"
    return "an array"


def check_structure(name: str, label: str, nest: Nest, like: str, model: Nest) -> None:
    """Raises ValueError unless nest is built as model is; `like` names the model."""
    if structure(nest) != structure(model):
        raise ValueError(
            f"{name}: {label} must be {structure(model)}, as {like} is, got {structure(nest)}; "
            f"give all parts the same structure."
        )


def check_one_level(name: str, label: str, nest: Nest) -> None:
    """Raises ValueError for an empty nest, keys that are no text, and nests in nests."""
    if isinstance(nest, (dict, tuple)):
        keys_right = not isinstance(nest, dict) or all(isinstance(key, str) for key in nest)
        if not nest or not keys_right:
            raise ValueError(
                f"{name}: {label} must be an array, a dict with texts as keys or a tuple, and hold "
                f"an array at least, got {structure(nest)}; name every part."
            )
        for inner, value in leaves(label, nest):
            if isinstance(value, (dict, tuple)):
                raise ValueError(
                    f"{name}: {inner} must be an array, got {type(value).__name__}; give one dict "
                    f"or tuple of arrays, without others inside."
                )


def first(nest: Nest) -> Any:
    """Returns the first array."""
    return leaves("", nest)[0][1]


def _item(nest: Nest, key: Any) -> Any:
    return None if nest is None else nest[key]
