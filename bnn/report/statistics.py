"""Means with their errors, and paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean over repetitions.

    Attributes:
      mean: over the finite values; NaN where there is none.
      error: its standard error; None for fewer than two values.
      number: of values.
    """

    mean: float
    error: float | None
    number: int


class Difference(NamedTuple):
    """A difference between two models with its interval.

    Attributes:
      mean: second minus first.
      lower, upper: ends of the interval.
      number: pairs that it rests on.
      p_value: of no difference, two-sided; None where the method gives none.
    """

    mean: float
    lower: float
    upper: float
    number: int
    p_value: float | None = None

    @property
    def sign(self) -> int:
        """-1 or 1 where the interval lies on one side of zero, else 0."""
        return int(self.lower > 0) - int(self.upper < 0)


def mean_and_error(values: npt.ArrayLike) -> Estimate:
    """Mean and its standard error `s / sqrt(n)`, `s^2 = sum (x - mean)^2 / (n - 1)`.

    Args:
      values: of the repetitions, `[n]`; NaN is a missing one, and an infinite one makes the error
        NaN.
    """
    array = np.asarray(values, np.float64)
    array = array[~np.isnan(array)]
    if not len(array):
        return Estimate(math.nan, None, 0)
    if len(array) == 1:
        return Estimate(float(array[0]), None, 1)
    if np.isinf(array).any():
        return Estimate(float(np.sum(array)), math.nan, len(array))
    return Estimate(
        float(array.mean()), float(array.std(ddof=1) / math.sqrt(len(array))), len(array)
    )


def paired_t(
    first: npt.ArrayLike, second: npt.ArrayLike, level: float = 0.95, overlap: float = 0.0
) -> Difference:
    """The paired t interval of `mean(second - first)` over repetitions.

    `d ± t_{n-1} s_d sqrt(1/n + overlap)`, `d` the mean and `s_d` the standard deviation of the n
    differences. Repetitions on random splits of one data set share most of their training
    examples, so their differences are not independent and the plain interval (`overlap = 0`) is too
    narrow; Nadeau and Bengio's correction is `overlap = num_test / num_train`.

    Args:
      first: metric of the first model, `[n]`, n at least 2.
      second: metric of the second one in the same repetitions, `[n]`.
      level: of the interval.
      overlap: as above; 0 for independent repetitions.

    Raises:
      ValueError: lengths differ, there are fewer than two pairs, or a value is not finite.

    References:
      Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError(
            f"first and second must be vectors of one length of at least 2, got shapes {a.shape} "
            f"and {b.shape}; give the metric of both models in the same repetitions."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(
            f"first and second must be finite, got {a.tolist()} and {b.tolist()}; leave such "
            "repetitions out of both."
        )
    differences = b - a
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    error = spread * math.sqrt(1 / len(a) + overlap)
    half = float(stats.t.ppf((1 + level) / 2, len(a) - 1)) * error
    if error == 0:
        p_value = 1.0 if mean == 0 else 0.0
    else:
        p_value = float(2 * stats.t.sf(abs(mean / error), len(a) - 1))
    return Difference(mean, mean - half, mean + half, len(a), p_value)


def paired_bootstrap(
    strata: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    level: float = 0.95,
    transform: Callable[[FloatArray], FloatArray] = lambda mean: mean,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """The percentile bootstrap interval of a difference of mean losses over test examples.

    Examples are drawn with replacement, the same for both models and for all runs that were tested
    on them, so that what makes an example hard cancels. The statistic is the mean over all runs of
    `transform(mean loss of second) - transform(mean loss of first)`. The interval tells how far the
    finite test set may mislead; it is given these trained models, and says nothing of new seeds.

    Args:
      strata: one for each test set: the losses of the first and the second model, `[R, B]` each, R
        runs on the same B examples, in pairs. Examples are drawn within each.
      level: of the interval.
      transform: of mean losses; the square root makes RMSE of squared errors.
      resamples: of the bootstrap.
      seed: of the resampling.

    Raises:
      ValueError: there is no stratum, or the losses of a stratum differ in shape.

    References:
      Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
      Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004.
    """
    checked = [_stratum(a, b) for a, b in strata]
    if not checked:
        raise ValueError("strata must hold at least one test set, got none.")
    rng = np.random.default_rng(seed)
    pairs = sum(len(a) for a, _ in checked)
    observed = 0.0
    drawn = np.zeros(resamples)
    for a, b in checked:
        observed += float(np.sum(transform(b.mean(axis=1)) - transform(a.mean(axis=1))))
        both, examples = np.concatenate([a, b]).T, a.shape[1]
        for i in range(resamples):
            weights = np.bincount(rng.integers(examples, size=examples), minlength=examples)
            means = transform(weights @ both / examples)
            drawn[i] += np.sum(means[len(a) :]) - np.sum(means[: len(a)])
    lower, upper = np.quantile(drawn / pairs, [(1 - level) / 2, (1 + level) / 2])
    number = sum(a.shape[1] for a, _ in checked)
    return Difference(observed / pairs, float(lower), float(upper), number)


def _stratum(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.atleast_2d(np.asarray(first, np.float64)), np.atleast_2d(np.asarray(second))
    if a.shape != b.shape or a.ndim != 2 or not a.size:
        raise ValueError(
            f"the losses of both models must have one shape [R, B], got {a.shape} and {b.shape}; "
            "pair the same runs and the same test examples."
        )
    return a, b.astype(np.float64)
