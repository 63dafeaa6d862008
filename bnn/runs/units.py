"""What the numbers of a run are in: the objective's targets need not have the test metrics' units.

A density changes with the unit of what it is of: for y = s z + m, −log p(y) = −log p(z) + log s. An
NLL of standardised targets and one of the targets in their own units are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnn.data import Dataset


def standardizes(data: Dataset) -> bool:
    """Whether the objective's targets are in other units than the targets' own."""
    scaling = data.scaling.targets
    targets = scaling.values() if isinstance(scaling, Mapping) else [scaling]
    return any(
        each.loc is not None and (np.any(each.loc != 0) or np.any(each.scale != 1))
        for each in targets
    )


def units_while_training(data: Dataset) -> str:
    """Of the numbers that a report on the way has; "" where they have no units to be mixed up."""
    if not standardizes(data):
        return ""
    return (
        "loss and nll in nats per example of standardised targets; what is validated, valid_nll "
        f"and rmse, of targets in their own units{_named(data.target_units)}"
    )


def units_of_test(results: Mapping[str, Any]) -> str:
    """Of a run's test metrics; "" for tasks whose targets have no unit.

    Args:
      results: as in `results.json`.
    """
    task = results.get("task")
    parts = {part for name in results.get("test", {}) for part in name.split("/")}
    if task != "regression" and not (task == "heads" and "rmse" in parts):
        return ""
    units = _named(results.get("target_units"))
    return f"nats of targets in their own units{units}; errors and deviations in these"


def _named(units: Mapping[str, str] | None) -> str:
    each = ", ".join(f"{name} in {unit}" for name, unit in (units or {}).items())
    return f" ({each})" if each else ""
