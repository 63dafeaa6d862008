"""A prediction as a table of pandas and as groups of ArviZ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bnn.formatting import unit_power
from bnn.predictive.quantities import QUANTITIES

if TYPE_CHECKING:
    from bnn.predictive.predictive import Predictive


def as_dataframe(said: Predictive, level: float | None = None) -> Any:
    """A row per input: mean, uncertainties and their errors, `<quantity>_<name of the column>`.

    With a level the central interval of that mass comes first, `lower_<name>` and `upper_<name>`.
    `attrs["units"]` has the units of columns where they are known: variances have their squares.
    """
    import pandas as pd

    data: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    names = said.names or tuple(map(str, range(said.mean.shape[1])))
    if level is not None:
        for end, values in zip(("lower", "upper"), said.interval(level), strict=True):
            for name, column in zip(names, values.T, strict=True):
                data[f"{end}_{name}"] = column
                if unit := said.target_units.get(name):
                    units[f"{end}_{name}"] = unit
    for quantity in QUANTITIES:
        pairs = ((getattr(said, quantity), ""), (said.standard_error(quantity), "_standard_error"))
        for values, suffix in pairs:
            if values.ndim == 1:
                data[quantity + suffix] = values
                continue
            for name, column in zip(names, values.T, strict=True):
                data[f"{quantity}_{name}{suffix}"] = column
                if unit := said.target_units.get(name):
                    power = 1 if quantity == "mean" else 2
                    units[f"{quantity}_{name}{suffix}"] = unit_power(unit, power)
    frame = pd.DataFrame(data)
    if units:
        frame.attrs["units"] = units
    return frame


def as_arviz(said: Predictive, targets: Any, count: int, seed: Any) -> Any:
    """Targets drawn from the predictive, and the observed ones, as ArviZ takes them.

    Draws `[1, count, N, …]` of the variable `y` in `posterior_predictive`, and `observed_data`
    where targets are given.

    Raises:
      ImportError: ArviZ is not there.
    """
    try:
        from arviz_base import from_dict
    except ImportError as missing:
        raise ImportError(
            "to_arviz needs ArviZ, which is not installed; install it with pip install arviz."
        ) from missing
    groups = {"posterior_predictive": {"y": said.samples(count, seed)[np.newaxis]}}
    if targets is not None:
        groups["observed_data"] = {"y": np.asarray(targets)}
    return from_dict(groups)
