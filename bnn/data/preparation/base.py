"""What every preparation can do, and how it comes back from JSON."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

from bnn.data.nests import Nest

_KINDS: dict[str, type[Preparation]] = {}


class Preparation(abc.ABC):
    """Raw inputs to model inputs: fitted on the training part, needs no file of the source.

    A subclass sets `kind`, the name that its JSON object carries.
    """

    kind: ClassVar[str]

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        _KINDS[cls.kind] = cls

    @abc.abstractmethod
    def prepare(self, name: str, raw: Any) -> Nest:
        """Returns the model's inputs `[N, ...]`; `name` is the set's, for errors."""

    def recognises(self, raw: Any) -> bool:
        """Returns whether these can be nothing but raw inputs: prepared ones never look so."""
        del raw
        return False

    @abc.abstractmethod
    def fields(self) -> dict[str, Any]:
        """Returns what `from_fields` takes, in JSON's types."""

    @classmethod
    @abc.abstractmethod
    def from_fields(cls, fields: dict[str, Any]) -> Preparation:
        """Returns the preparation that gave these fields."""

    def to_json(self) -> dict[str, Any]:
        """Returns the preparation in JSON's types; every number comes back exactly."""
        return {"kind": self.kind, **self.fields()}


def from_json(stored: Any) -> Preparation:
    """Returns the preparation that `to_json` was asked of.

    Raises:
      ValueError: not such an object, or of a kind that this version does not know.
    """
    kind = stored.get("kind") if isinstance(stored, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(
            f"a stored preparation must have one of the kinds {', '.join(sorted(_KINDS))}, got "
            f"{kind!r}; use the version of bnn that stored it."
        )
    fields = {key: value for key, value in stored.items() if key != "kind"}
    try:
        return _KINDS[kind].from_fields(fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"a stored preparation of kind {kind!r} must hold the fields it was stored with, got "
            f"{', '.join(sorted(fields)) or 'none'} ({error}); the file was changed: restore it."
        ) from error
