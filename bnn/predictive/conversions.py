"""A prediction as a table of pandas and as groups of ArviZ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bnn.predictive.quantities import QUANTITIES

if TYPE_CHECKING:
    from bnn.predictive.predictive import Predictive


def as_dataframe(said: Predictive) -> Any:
    """A row per input (and target column): mean, uncertainties and their errors."""
    import pandas as pd

    data: dict[str, np.ndarray] = {}
    for name in QUANTITIES:
        pairs = ((getattr(said, name), ""), (said.standard_error(name), "_standard_error"))
        for values, suffix in pairs:
            if values.ndim == 1:
                data[name + suffix] = values
                continue
            for column in range(values.shape[1]):
                data[f"{name}_{column}{suffix}"] = values[:, column]
    return pd.DataFrame(data)


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
