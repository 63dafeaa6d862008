"""Arguments of a prediction that do not fit each other."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from bnn.formatting import is_number
from bnn.likelihoods import ClassMixture, Likelihood, Mixture, Positions
from bnn.likelihoods.logits import require_logits
from bnn.prediction import Draws, Functions
from bnn.prediction.functions import check_num_samples


def require_likelihood(likelihood: Any, model: Any) -> None:
    """ValueError for anything but a likelihood of one event an input, for outputs like these."""
    if not isinstance(likelihood, Likelihood):
        raise ValueError(
            f"likelihood must be a likelihood object, got {likelihood!r}; pass for example "
            "bnn.likelihoods.Categorical(), with the parentheses."
        )
    if isinstance(likelihood, Positions):
        raise ValueError(
            "likelihood must be of one event an input, got Positions, of one at each position; "
            "use bnn.predict and likelihood.predictive of its outputs."
        )
    require_logits(likelihood, model)


def require_no_draws(functions: Any, tolerance: Any, antithetic: bool) -> None:
    """ValueError where moments are asked for with what draws weights."""
    if functions is not None or tolerance is not None or antithetic:
        raise ValueError(
            "functions and tolerance must be None, and antithetic False, with method='moments', "
            "which draws no functions and whose samples cost no pass; give num_samples."
        )


def chosen(
    functions: Functions | None, num_samples: int, most: Any, seed: Any, antithetic: bool
) -> Functions:
    """What is sampled: `num_samples` functions, or at most `most` with a tolerance."""
    if functions is None:
        functions = Draws(num_samples if most is None else _capped(most, num_samples), seed)
    if antithetic:
        functions = _paired(functions, num_samples)
    if most is not None:
        _require_whole(functions, num_samples)
    return functions


def _paired(functions: Functions, num_samples: int) -> Functions:
    """The same draws in antithetic pairs; ValueError for other functions, or an odd number."""
    if isinstance(functions, Draws) and functions.num_samples % 2 and num_samples % 2 == 0:
        raise ValueError(
            f"max_samples must be even for antithetic pairs, got {functions.num_samples}; use "
            f"{functions.num_samples + 1}, or antithetic=False."
        )
    if not isinstance(functions, Draws) or num_samples % 2:
        raise ValueError(
            "antithetic pairs are of draws of the posterior, with an even num_samples, got "
            f"{type(functions).__name__} and {num_samples}; set antithetic=False."
        )
    return Draws(functions.num_samples, functions.arguments, antithetic=True)


def _require_whole(functions: Functions, num_samples: int) -> None:
    """ValueError where a tolerance would look at a part of samples that depend on each other."""
    if num_samples % functions.coupled:
        raise ValueError(
            f"num_samples must be a multiple of {functions.coupled} with a tolerance: so many "
            f"functions depend on each other; got {num_samples}."
        )


def _capped(max_samples: Any, num_samples: int) -> int:
    """The cap; ValueError where it is below the samples that every input gets."""
    if check_num_samples(max_samples, "max_samples") < num_samples:
        raise ValueError(
            f"max_samples must be at least num_samples, {num_samples}, which every input gets, got "
            f"{max_samples}."
        )
    return max_samples


def rows_of(targets: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Those targets; ValueError where they are fewer than the inputs."""
    if not targets.ndim or len(targets) <= places.max():
        require_as_many(targets, int(places.max()) + 1, "at least ")
    return targets[places]


def require_as_many(targets: np.ndarray, count: int, least: str = "") -> None:
    """ValueError where targets are not as many as inputs."""
    if not targets.ndim or len(targets) != count:
        raise ValueError(
            f"targets must be as many as inputs, {least}{count}, got shape {targets.shape}; give "
            "those of the inputs of this prediction."
        )


def require_numbers(likelihood: Likelihood, what: str) -> None:
    """ValueError where the targets are classes."""
    if likelihood.task == "classification":
        raise ValueError(
            f"{what} is of targets that are numbers, got the classes of "
            f"{type(likelihood).__name__}; use mean (their probabilities) and total (the entropy)."
        )


def require_calibration(calibration: Any) -> Any:
    """The calibration; ValueError where there is none."""
    if calibration is None:
        raise ValueError(
            "calibration must be there, got None: it is that of a run that was calibrated "
            "(bnn.restore(folder).calibrate(...)), predicting with its own number of samples and "
            "seed, or one that was set: said.calibration = Calibration(...).fit(...)."
        )
    return calibration


def require_known(at: np.ndarray, mixture: Mixture | ClassMixture) -> None:
    """ValueError where the model's outputs are NaN, naming the first of these inputs."""
    known = [mixture.components] if isinstance(mixture, ClassMixture) else mixture.parameters
    wrong = [np.isnan(np.asarray(one)) for one in known]
    if not any(w.any() for w in wrong):
        return
    rows = functools.reduce(np.logical_or, (w.any(axis=(0, *range(2, w.ndim))) for w in wrong))
    raise ValueError(
        f"the model's outputs must be numbers, got NaN for {int(rows.sum())} of {len(rows)} "
        f"inputs, the first in row {at[np.argmax(rows)]}; look at these inputs, and at the "
        "model's weights."
    )


def one_number(q: Any) -> float:
    """The probability of a quantile; ValueError for what is no number, such as several."""
    if not is_number(q):
        raise ValueError(
            f"q must be one number strictly between 0 and 1, got {q!r}; ask for one quantile at a "
            "time."
        )
    return float(q)
