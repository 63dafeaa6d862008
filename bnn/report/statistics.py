"""Means with their errors, and paired comparisons."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
# Elements of the weights that are drawn at a time, 16 MB.
_CHUNK_ELEMENTS = 2**21


class Transform(NamedTuple):
    """A function of the mean loss of a run, and its derivative.

    Attributes:
      value: of mean losses.
      derivative: of `value`.
    """

    value: Callable[[FloatArray], FloatArray]
    derivative: Callable[[FloatArray], FloatArray]

    def pseudo_values(self, losses: FloatArray) -> FloatArray:
        """`g'(m) (loss - m) + g(m)` of losses `[R, B]`, whose mean over examples is `g(m)`."""
        mean = losses.mean(axis=1, keepdims=True)
        return self.derivative(mean) * (losses - mean) + self.value(mean)


MEAN = Transform(lambda mean: mean, np.ones_like)
# A mean of zero has losses of zero, which any slope leaves at zero.
ROOT = Transform(np.sqrt, lambda mean: 0.5 / np.sqrt(np.where(mean > 0, mean, 1.0)))


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
    transform: Transform = MEAN,
    resamples: int = 2000,
    seed: int = 0,
    rows: Sequence[npt.ArrayLike] | None = None,
) -> Difference:
    """The bootstrap interval of a difference of mean losses over the rows of the data.

    Rows are drawn with replacement, each with everything that was measured on it: both models, all
    runs, all test sets that hold it. What makes a row hard cancels between the models, and a row
    that several random splits test is one observation, not several (a cluster bootstrap). The
    statistic is the mean over all runs of `transform(mean loss of second) - transform(mean loss of
    first)`, to first order in the losses:

    `d_ij = g'(m_j) (loss_ij - m_j) + g(m_j)`, `D_i = sum_j d_ij / n_j`, `C_i = sum_j 1 / n_j`, and
    `sum_i w_i D_i / sum_i w_i C_i` for multinomial w: runs j with n_j examples and mean loss m_j.
    The distance of each percentile from the estimate is stretched by `sqrt(k / (k - 1)) t / z`,
    quantiles of Student's t with k - 1 degrees of freedom and of the normal, for
    `k = (sum C)^2 / sum C^2` rows: without it few rows give an interval that is too narrow.

    The interval tells how far the finite test data may mislead; it is given these trained models,
    and says nothing of new seeds.

    Args:
      strata: one for each test set: the losses of the first and the second model, `[R, B]` each, R
        runs on the same B examples, in pairs.
      level: of the interval.
      transform: of mean losses; `ROOT` makes RMSE of squared errors.
      resamples: of the bootstrap.
      seed: of the resampling.
      rows: for each test set the identity of its examples in the data, `[B]`, the same number for
        the same example wherever it occurs; may be left out for a single test set.

    Raises:
      ValueError: there is no stratum, the losses of a stratum differ in shape, a loss is not
        finite, rows do not fit the losses, or several test sets come without rows.

    References:
      Field and Welsh, "Bootstrapping clustered data", JRSS B 69, 2007.
      Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69,
      2015, section 5.4 (the stretched percentiles).
    """
    checked = [_stratum(a, b) for a, b in strata]
    sums, counts = _by_row(checked, _check_rows(checked, rows), transform)
    share = counts / counts.sum()
    observed = float(sums.sum() / counts.sum())
    if resamples * len(sums) <= _CHUNK_ELEMENTS:
        chunks: Iterable[FloatArray] = [_weights(len(sums), resamples, seed)]
    else:
        chunks = _weights_in_chunks(len(sums), resamples, seed)
    drawn = np.concatenate([(weights @ sums) / (weights @ counts) for weights in chunks])
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = np.quantile(drawn, tails)
    lower, upper = observed + (ends - observed) * _stretch(1 / float(np.sum(share**2)), tails[1])
    return Difference(observed, float(lower), float(upper), len(sums))


def _weights_in_chunks(number: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """How often each row is drawn, `[.., number]`, in parts that hold few enough elements."""
    rng = np.random.default_rng(seed)
    most = max(1, _CHUNK_ELEMENTS // number)
    for start in range(0, resamples, most):
        size = min(most, resamples - start)
        yield rng.multinomial(number, np.full(number, 1 / number), size).astype(np.float64)


@functools.lru_cache(maxsize=2)  # a comparison has several metrics of the same rows
def _weights(number: int, resamples: int, seed: int) -> FloatArray:
    (weights,) = _weights_in_chunks(number, resamples, seed)
    weights.flags.writeable = False
    return weights


def _by_row(
    strata: Sequence[tuple[FloatArray, FloatArray]],
    rows: Sequence[npt.NDArray[np.int64]],
    transform: Transform,
) -> tuple[FloatArray, FloatArray]:
    """`D` and `C` of every distinct row, as in `paired_bootstrap`."""
    distinct, place = np.unique(np.concatenate(list(rows)), return_inverse=True)
    differences, weights = [], []
    for a, b in strata:
        pseudo = transform.pseudo_values(b) - transform.pseudo_values(a)
        differences.append(pseudo.sum(axis=0) / a.shape[1])
        weights.append(np.full(a.shape[1], len(a) / a.shape[1]))
    sums, counts = (
        np.bincount(place, np.concatenate(each), len(distinct)).astype(np.float64)
        for each in (differences, weights)
    )
    return sums, counts


def _stretch(number: float, probability: float) -> float:
    """What the percentiles of few rows lack; 1 where a single row shows no spread at all."""
    if number <= 1 + 1e-9:
        return 1.0
    ratio = stats.t.ppf(probability, number - 1) / stats.norm.ppf(probability)
    return float(ratio * math.sqrt(number / (number - 1)))


def _check_rows(
    strata: Sequence[tuple[FloatArray, FloatArray]], rows: Sequence[npt.ArrayLike] | None
) -> list[npt.NDArray[np.int64]]:
    if not strata:
        raise ValueError("strata must hold at least one test set, got none.")
    sizes = [a.shape[1] for a, _ in strata]
    if rows is None:
        if len(strata) > 1:
            raise ValueError(
                f"rows must say which examples the {len(strata)} test sets share, got none; pass "
                "the identity of every example, or compare by paired_t with its overlap."
            )
        return [np.arange(sizes[0])]
    checked = [np.asarray(identities) for identities in rows]
    if [each.shape for each in checked] != [(size,) for size in sizes] or not all(
        np.issubdtype(each.dtype, np.integer) and len(np.unique(each)) == len(each)
        for each in checked
    ):
        raise ValueError(
            f"rows must be distinct integers, one for each of the {sizes} examples of the test "
            f"sets, got shapes {[each.shape for each in checked]}; pass the numbers of the rows "
            "in the data."
        )
    return checked


def _stratum(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = (np.atleast_2d(np.asarray(losses, np.float64)) for losses in (first, second))
    if a.shape != b.shape or a.ndim != 2 or not a.size:
        raise ValueError(
            f"the losses of both models must have one shape [R, B], got {a.shape} and {b.shape}; "
            "pair the same runs and the same test examples."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError(
            "the losses of both models must be finite, got an infinite one or NaN; an infinite "
            "loss decides the comparison without an interval."
        )
    return a, b
