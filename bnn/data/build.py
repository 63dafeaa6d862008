"""A Dataset from parts by name, for the sources whose inputs and targets may be nests."""

from __future__ import annotations

from typing import Any

from bnn.data.dataset import Dataset
from bnn.data.nests import Nest
from bnn.data.splits import PARTS
from bnn.data.targets import Targets


def build(
    name: str,
    inputs: dict[str, Nest],
    targets: Targets,
    *,
    rows: dict[str, Any] | None = None,
    weights: dict[str, Any] | None = None,
    **others: Any,
) -> Dataset:
    """Returns the Dataset of inputs, targets, row numbers and weights by part.

    Args:
      name: of the set.
      inputs: as the model takes them.
      targets: as `prepared_targets` gives them.
      rows: numbers in the source; None: the parts one after the other.
      weights: of the examples; None: 1 each.
      **others: further fields of Dataset.
    """
    fields: dict[str, Any] = {"name": name, **others}
    for part in PARTS:
        fields[f"x_{part}"], fields[f"y_{part}"] = inputs[part], targets.parts[part]
        fields[f"rows_{part}"] = None if rows is None else rows[part]
        fields[f"weights_{part}"] = None if weights is None else weights[part]
    return Dataset(
        **fields,
        num_classes=targets.num_classes,
        target_kinds=targets.target_kinds,
        target_loc=targets.target_loc,
        target_scale=targets.target_scale,
    )
