"""Arguments of a prediction that do not fit each other."""

from __future__ import annotations

from typing import Any

from bnn.prediction import Draws, Functions
from bnn.prediction.functions import check_num_samples


def require_no_draws(functions: Any, tolerance: Any, antithetic: bool) -> None:
    """ValueError where moments are asked for with what draws weights."""
    if functions is not None or tolerance is not None or antithetic:
        raise ValueError(
            "functions and tolerance must be None, and antithetic False, with method='moments', "
            "which draws no functions and whose samples cost no pass; give num_samples."
        )


def paired(functions: Functions, num_samples: int) -> Functions:
    """The same draws in antithetic pairs; ValueError for other functions, or an odd number."""
    if not isinstance(functions, Draws) or num_samples % 2:
        raise ValueError(
            "antithetic pairs are of draws of the posterior, with an even num_samples, got "
            f"{type(functions).__name__} and {num_samples}; set antithetic=False."
        )
    return Draws(functions.num_samples, functions.arguments, antithetic=True)


def capped(max_samples: Any, num_samples: int) -> int:
    """The cap; ValueError where it is below the samples that every input gets."""
    if check_num_samples(max_samples, "max_samples") < num_samples:
        raise ValueError(
            f"max_samples must be at least num_samples, {num_samples}, which every input gets, got "
            f"{max_samples}."
        )
    return max_samples
