"""Names of metrics where an example has several targets, each in its own unit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def target_names(count: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Returns the names of D targets: those given, or `target_0`, `target_1`, ….

    Args:
        count: D.
        names: different from each other; None for numbered ones.

    Raises:
        ValueError: if the names are not D different ones.
    """
    if names is None:
        return tuple(f"target_{number}" for number in range(count))
    found = tuple(names)
    if len(found) != count or len(set(found)) != count:
        raise ValueError(
            f"names must be {count} different ones, one for each target, got {list(found)}. Name "
            "the columns of the targets, or leave names out."
        )
    return found


def by_target(metric: str, values: ArrayLike, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Returns a metric under its name, or under `metric/<target>` for each of several targets.

    Targets have units of their own, so that a metric is never averaged over them; what is joint,
    such as the likelihood, has one value and one name.

    Args:
        metric: its name, such as "rmse".
        values: `[..., D]`: numbers of each target, or of each example and target.
        names: of the targets, as `target_names`.

    Returns:
        `{metric: values[..., 0]}` of one target, `{metric/<name>: values[..., d], …}` of several;
        floats where `values` is `[D]`.

    Raises:
        ValueError: as `target_names`.
    """
    array = np.asarray(values, np.float64)
    columns = [float(c) if c.ndim == 0 else c for c in np.moveaxis(array, -1, 0)]
    if len(columns) == 1:
        return {metric: columns[0]}
    found = target_names(len(columns), names)
    return {f"{metric}/{name}": column for name, column in zip(found, columns, strict=True)}
