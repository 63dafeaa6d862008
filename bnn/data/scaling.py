"""Everything between people's units and a model's: what a run stores to be asked again later."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, cast, get_args

import numpy as np

from bnn.data import preparation
from bnn.data.nests import Nest
from bnn.data.preparation import Preparation

# labels: one class number an example, [N]. label_map: one a pixel or token, [N, ...].
# multi_label: 0 or 1 a label, [N, L]. values: standardised numbers, [N, D]. counts: [N, D].
TargetKind = Literal["labels", "label_map", "multi_label", "values", "counts"]
KINDS: tuple[str, ...] = get_args(TargetKind)
_VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class TargetScaling:
    """What one target is, and its units.

    Attributes:
      kind: one of `KINDS`.
      num_classes: of labels and label maps.
      loc, scale: of values, float64 `[D]`: `y_own_units = y * scale + loc`.
      names: of the classes of labels, of the columns of the other kinds.
    """

    kind: TargetKind
    num_classes: int | None = None
    loc: np.ndarray | None = None
    scale: np.ndarray | None = None
    names: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the attributes in JSON's types; every number comes back exactly."""
        return {
            "kind": self.kind,
            "num_classes": self.num_classes,
            "loc": None if self.loc is None else np.asarray(self.loc, np.float64).tolist(),
            "scale": None if self.scale is None else np.asarray(self.scale, np.float64).tolist(),
            "names": None if self.names is None else list(self.names),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> TargetScaling:
        """Returns the scaling that `to_json` was asked of."""
        loc, scale = (
            None if stored[key] is None else np.asarray(stored[key], np.float64)
            for key in ("loc", "scale")
        )
        names = None if stored["names"] is None else tuple(stored["names"])
        kind = cast(TargetKind, stored["kind"])
        return cls(kind, stored["num_classes"], loc, scale, names)

    def to_own_units(self, label: str, y: Any) -> Any:
        """Returns `y`, `[..., D]`, in the target's own units; ValueError for labels."""
        if self.kind == "counts":
            return y
        if self.loc is None or self.scale is None:
            raise ValueError(
                f"{label}: to_own_units needs regression targets, got class labels; "
                f"use labels as they are."
            )
        return y * self.scale + self.loc


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """How raw inputs become a model's, and its outputs the targets' own units.

    Attributes:
      name: of the data set.
      inputs: prepares inputs.
      targets: a scaling, or one for every name of a dict of targets.
      feature_names: what the columns of tabular inputs are called.
    """

    name: str
    inputs: Preparation
    targets: TargetScaling | dict[str, TargetScaling]
    feature_names: tuple[str, ...] | None = None

    def prepare_inputs(self, raw: Any) -> Nest:
        """Returns raw inputs as the set's own were prepared; ValueError for what does not fit."""
        return self.inputs.prepare(self.name, raw)

    def to_own_units(self, y: Nest) -> Nest:
        """Returns standardised values `[..., D]` in own units; for a dict, those that it holds.

        Raises:
          ValueError: labels have no units; a target that the set does not have.
        """
        if isinstance(self.targets, TargetScaling):
            return self.targets.to_own_units(self.name, y)
        unknown = sorted(set(y) - set(self.targets)) if isinstance(y, dict) else [type(y).__name__]
        if unknown:
            raise ValueError(
                f"{self.name}: to_own_units takes a dict with the targets "
                f"{', '.join(map(repr, self.targets))}, got {', '.join(map(str, unknown))}."
            )
        return {
            key: self.targets[key].to_own_units(f"{self.name}, {key!r}", value)
            for key, value in y.items()
        }

    def by_name(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the columns of one `[..., D]` target in own units, by the target's name."""
        if not isinstance(self.targets, TargetScaling):
            return self.to_own_units(y)
        values = self.to_own_units(y)
        names = self.targets.names or tuple(f"target_{i}" for i in range(values.shape[-1]))
        return {name: values[..., i] for i, name in enumerate(names)}

    def to_json(self) -> dict[str, Any]:
        """Returns the scaling in JSON's types; every number comes back exactly."""
        return {
            "version": _VERSION,
            "name": self.name,
            "inputs": self.inputs.to_json(),
            "targets": {key: target.to_json() for key, target in self._targets().items()},
            "feature_names": None if self.feature_names is None else list(self.feature_names),
        }

    def _targets(self) -> dict[str, TargetScaling]:
        return self.targets if isinstance(self.targets, dict) else {"": self.targets}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Scaling:
        """Returns the scaling that `to_json` was asked of; ValueError for another object."""
        if not isinstance(stored, dict) or stored.get("version") != _VERSION:
            seen = stored.get("version") if isinstance(stored, dict) else type(stored).__name__
            raise ValueError(
                f"a stored scaling must have version {_VERSION}, got {seen!r}; use the version of "
                f"bnn that stored it."
            )
        try:
            targets = {k: TargetScaling.from_json(v) for k, v in stored["targets"].items()}
            names = stored["feature_names"]
            return cls(
                stored["name"],
                preparation.from_json(stored["inputs"]),
                targets.get("", targets),
                None if names is None else tuple(names),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"a stored scaling must hold name, inputs, targets and feature_names, got "
                f"{', '.join(sorted(stored))} ({error}); the file was changed: restore it."
            ) from error
