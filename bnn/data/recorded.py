"""A data set as a run has recorded it: shapes, kinds and scaling, without its examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnn.data import nests
from bnn.data.dataset import PARTS, Dataset
from bnn.data.examples import Example, ExampleError, Examples
from bnn.data.nests import Nest
from bnn.data.preparation import ArrayPreparation, NestPreparation, Preparation
from bnn.data.scaling import Scaling, TargetScaling

_DESCRIBED = {"array", "shape", "digest"}


class RecordedExamples(Examples):
    """N training examples that are not there any more.

    Args:
      name: of the set.
      length: N.
      described: what the run has recorded of the set.
    """

    def __init__(self, name: str, length: int, described: Mapping[str, Any]) -> None:
        super().__init__(name)
        self._length, self.described = length, dict(described)

    def __len__(self) -> int:
        return self._length

    def take(self, rows: np.ndarray) -> Example:
        """Refused.

        Raises:
          ExampleError: always.
        """
        del rows
        raise ExampleError(
            f"{self.name}: the examples are not here, the run was restored without them; bring the "
            f"source's files back, or pass data=…."
        )


def recorded_dataset(described: Mapping[str, Any], num_train: int | None = None) -> Dataset:
    """Returns the set that a run's `data.json` describes: every part is empty.

    It has everything that predictions need, `prepare_inputs` and the targets' units among it.

    Args:
      described: as `bnn.runs.identity.fingerprint` gives it.
      num_train: N, where the set was streamed and the record does not say, as of an earlier
        version.

    Raises:
      ValueError: a record that lacks something.
    """
    try:
        scaling = Scaling.from_json(described["scaling"])
        length = described.get("num_train") or _length(described["x_train"]) or num_train
        if not length:
            raise KeyError("num_train")
        inputs, targets = _inputs(described["x_train"], scaling), _targets(described, scaling)
        fields: dict[str, Any] = {}
        for part in PARTS:
            fields |= {f"x_{part}": inputs, f"y_{part}": targets}
        return Dataset(
            scaling.name,
            **fields,
            **{f"target_{what}": _of_targets(scaling, what) for what in ("loc", "scale")},
            num_classes=_of_targets(scaling, "num_classes"),
            target_kinds=_of_targets(scaling, "kind"),
            target_names=_texts(described.get("target_names")),
            target_units=described.get("target_units"),
            class_names=_texts(described.get("class_names")),
            feature_names=scaling.feature_names,
            preparation=scaling.inputs,
            train_source=RecordedExamples(scaling.name, length, described),
        )
    except (LookupError, TypeError, AttributeError, StopIteration) as damage:
        fault = f"{damage} is missing" if isinstance(damage, KeyError) else "it is damaged"
        raise ValueError(
            f"the record of data set {described.get('name')!r} must hold its shapes and scaling, "
            f"but {fault}; restore the file, or bring the source's files back."
        ) from damage


def can_be_recorded(described: Mapping[str, Any], num_train: int | None = None) -> bool:
    """Returns whether `recorded_dataset` has what it needs: a scaling, and N from somewhere."""
    if "scaling" not in described:
        return False
    if num_train or described.get("num_train"):
        return True
    try:
        return bool(_length(described["x_train"]))
    except (LookupError, TypeError, AttributeError, StopIteration):
        return True  # `recorded_dataset` says what is damaged


def is_recorded(data: Any) -> bool:
    """Returns whether a data set is a record without examples."""
    return isinstance(getattr(data, "train_source", None), RecordedExamples)


def _is_leaf(described: Any) -> bool:
    """An array's description, and no dict or list of some."""
    if isinstance(described, list):
        return not any(isinstance(one, dict) for one in described)
    return set(described) == _DESCRIBED and isinstance(described["array"], str)


def _length(described: Any) -> int:
    while not _is_leaf(described):
        described = described[0] if isinstance(described, list) else next(iter(described.values()))
    return len(described) if isinstance(described, list) else described["shape"][0]


def _inputs(described: Any, scaling: Scaling) -> Nest:
    if isinstance(scaling.inputs, NestPreparation):
        parts = scaling.inputs.parts
        return nests.mapped(lambda one, of: _input(of, one), parts, described)
    return _input(described, scaling.inputs)


def _input(described: Any, preparation: Preparation) -> np.ndarray:
    shape = described["shape"][1:]
    if isinstance(preparation, ArrayPreparation):
        shape = preparation.shape
    return np.zeros((0, *shape), described["array"])


def _targets(described: Mapping[str, Any], scaling: Scaling) -> Nest:
    return nests.mapped(_target, scaling.targets, described["y_train"])


def _target(scaling: TargetScaling, described: Any) -> np.ndarray:
    if scaling.kind == "labels":
        return np.zeros(0, np.int32)
    return np.zeros((0, *described["shape"][1:]), described["array"])


def _of_targets(scaling: Scaling, what: str) -> Any:
    """Of one target, or by target's name, without those that have none."""
    if isinstance(scaling.targets, TargetScaling):
        return getattr(scaling.targets, what)
    every = {name: getattr(target, what) for name, target in scaling.targets.items()}
    return {name: value for name, value in every.items() if value is not None} or None


def _texts(described: Any) -> Any:
    if isinstance(described, Mapping):
        return {name: tuple(values) for name, values in described.items()}
    return None if described is None else tuple(described)
