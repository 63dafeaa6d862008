"""Posteriors and priors as arguments of layers that hand them to the layers they are made of."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from bnn.posteriors import Posterior
from bnn.priors import Prior

_KINDS = {"posterior": Posterior, "prior": Prior}


class FamilyArguments:
    """Stands before a Keras layer: takes `s_posterior` and `s_prior` for every site `s`, too.

    Attributes:
      family_sites: the names s.
    """

    family_sites: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = self._family_names()
        given = {name: _own(name, kwargs.pop(name, None)) for name in names}
        unknown = [n for n in kwargs if n.endswith(tuple(f"_{kind}" for kind in _KINDS))]
        if unknown:
            raise ValueError(
                f"bnn.layers.{type(self).__name__} has no argument {unknown[0]!r}; those of its "
                f"random tensors are {', '.join(names)}."
            )
        super().__init__(*args, **kwargs)
        self._families = tuple(given.items())

    @classmethod
    def _family_names(cls) -> list[str]:
        return [f"{site}_{part}" for site in cls.family_sites for part in _KINDS]

    def families(self) -> dict[str, Any]:
        """Posteriors and priors by the names of their arguments; None for the default."""
        return dict(self._families)

    def get_config(self) -> dict:
        """Keras configuration."""
        families = {
            name: keras.saving.serialize_keras_object(value)
            for name, value in self.families().items()
        }
        return {**super().get_config(), **families}  # type: ignore[misc]

    @classmethod
    def from_config(cls, config: dict) -> Any:
        """The layer that `get_config` described, with its posteriors and priors."""
        config = dict(config)
        for name in cls._family_names():
            config[name] = keras.saving.deserialize_keras_object(config.get(name))
        return super().from_config(config)  # type: ignore[misc]


def _own(name: str, given: Any) -> Any:
    """A copy of a description, or None."""
    kind: Any = _KINDS[name.rpartition("_")[2]]
    if given is None:
        return None
    if not isinstance(given, kind):
        word = kind.__name__.lower()
        raise ValueError(f"{name} must be a bnn {word} object or None, got {given!r}.")
    return given.clone()
