"""What the options of a Laplace approximation must be."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

from bnn.formatting import is_number

PriorPrecision = float | str | None
_CHOSEN = ("one", "layer")
_PREDICTIVES = ("linearised", "samples", "probit")


def check_options(
    structure: Any,
    structures: Iterable[str],
    prior_precision: Any,
    choose_noise: Any,
    predictive: Any,
) -> PriorPrecision:
    """The prior precision, a number as a float; ValueError for an option that is none."""
    _one_of("structure", structure, tuple(structures))
    _one_of("predictive", predictive, _PREDICTIVES)
    if not isinstance(choose_noise, bool):
        raise ValueError(f"choose_noise must be True or False, got {choose_noise!r}.")
    if prior_precision is None or prior_precision in _CHOSEN:
        return prior_precision
    if not is_number(prior_precision) or not 0 < prior_precision < math.inf:
        raise ValueError(
            "prior_precision must be None for the model's own priors, a positive number, "
            f'"one" or "layer", got {prior_precision!r}.'
        )
    return float(prior_precision)


def check_rank(rank: Any, structure: str) -> int | None:
    """The rank; ValueError unless it is None, or a positive integer beside "low_rank"."""
    if rank is None:
        return None
    if structure != "low_rank":
        raise ValueError(
            f'rank is of structure "low_rank" alone, got rank={rank!r} beside {structure!r}; leave '
            "it out."
        )
    if isinstance(rank, bool) or not isinstance(rank, numbers.Integral) or rank < 1:
        raise ValueError(f"rank must be None or a positive integer, got {rank!r}.")
    return int(rank)


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}.")
