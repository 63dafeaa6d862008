"""Sets of classes and intervals that cover the target with a guaranteed probability.

Split conformal prediction (Vovk, Gammerman & Shafer 2005; Lei et al. 2018): with scores s₁ … sₙ of
n calibration examples and ŝ their ⌈(n + 1) level⌉-th smallest, everything with a score of at most ŝ
is predicted. For examples that are exchangeable with the calibration examples

    level ≤ P(y in the set) ≤ level + 1/(n + 1)   (the second where scores have no ties),

whatever the model, on average over calibration sets and inputs; not for every kind of input. With
`by_class` the first holds for the examples of each class (Vovk 2012).

The scores are a line each on arrays of predictions, and are written out here: the libraries of the
field wrap an estimator that they call themselves, and have no quantile by class.
"""

from __future__ import annotations

import abc
import logging
import math
from typing import Any, ClassVar

import numpy as np

from bnn.formatting import is_number, show
from bnn.noise import Noise, Purpose
from bnn.predictive.fitted import Fitted, check_flag, check_labels, check_level, check_probs

_ROOMY = 1.5  # classes in a set, on average, where one would do


def conformal_quantile(scores: np.ndarray, level: float) -> np.ndarray:
    """The ⌈(n + 1) level⌉-th smallest of scores `[n, …]`; infinite where n is below that.

    Raises:
      ValueError: a score that is NaN, which has no place among the others.
    """
    wrong = np.isnan(scores)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise ValueError(
            f"scores must be numbers, got NaN in row {row} ({int(wrong.sum())} scores); look at "
            "the prediction: its mean must be finite and its deviation positive."
        )
    # What rounding adds to (n + 1) level must not ask for the next score.
    rank = math.ceil((len(scores) + 1) * level - 1e-9)
    if rank > len(scores):
        return np.full(scores.shape[1:], np.inf)
    return np.partition(scores, rank - 1, axis=0)[rank - 1]


class _Conformal(Fitted):
    options: ClassVar[tuple[str, ...]] = ("level",)

    def __init__(self, level: float = 0.9) -> None:
        self.level, self.state = check_level(level), {}

    def _require_enough(self, num_examples: int) -> None:
        if np.isinf(conformal_quantile(np.zeros(num_examples), self.level)):
            needed = math.ceil(self.level / (1 - self.level) - 1e-9)
            raise ValueError(
                f"{self!r} needs at least {needed} calibration examples for its guarantee, got "
                f"{num_examples}; give more examples or a lower level."
            )


class ConformalSets(_Conformal):
    """Sets of classes; a subclass has the score of every class.

    Args:
      level: of coverage.
      by_class: a threshold, and the guarantee, for every class; a class with fewer than
        level/(1 − level) calibration examples is in every set.
    """

    options: ClassVar[tuple[str, ...]] = ("level", "by_class")

    def __init__(self, level: float = 0.9, by_class: bool = False) -> None:
        super().__init__(level)
        self.by_class = check_flag("by_class", by_class)

    @abc.abstractmethod
    def scores(self, probs: np.ndarray, fitting: bool = False) -> np.ndarray:
        """The score `[N, C]` of every class, were it the label; small for what fits.

        Args:
          probs: `[N, C]`.
          fitting: of calibration examples, whose random numbers must not be those of others.
        """

    def fit(self, probs: Any, labels: Any) -> Any:
        """Takes the threshold from probabilities `[N, C]`, or a `Predictive`, and labels `[N]`.

        Raises:
          ValueError: too few examples for the level.
        """
        probs = check_probs(probs)
        labels = check_labels(labels, probs.shape)
        own = self.scores(probs, fitting=True)[np.arange(len(labels)), labels]
        size = probs.shape[1]
        if self.by_class:
            each = [conformal_quantile(own[labels == c], self.level) for c in range(size)]
            threshold = np.array(each)
        else:
            self._require_enough(len(labels))
            threshold = np.full(size, conformal_quantile(own, self.level))
        self.state = {"threshold": threshold}
        return self

    def sets(self, probs: Any) -> np.ndarray:
        """Which classes are in the set of each input, booleans `[N, C]`.

        Raises:
          ValueError: before `fit`, or for another number of classes.
        """
        self.require_fitted()
        probs, threshold = check_probs(probs), self.state["threshold"]
        if probs.shape[1] != len(threshold):
            raise ValueError(
                f"probs must have the {len(threshold)} classes that {self!r} was fitted to, got "
                f"{probs.shape[1]}."
            )
        return self.scores(probs) <= threshold


class LAC(ConformalSets):
    """Score 1 − p_c: the smallest sets on average (Sadinle, Lei & Wasserman 2019); may be empty."""

    def scores(self, probs: np.ndarray, fitting: bool = False) -> np.ndarray:
        """1 − p."""
        return 1 - probs


class RAPS(ConformalSets):
    """Score: the probability of the classes before c and c itself, and a price of late ones.

    s_c = Σ_{j before c} p_j + u p_c + λ max(0, rank_c − k) in the order of falling probability,
    rank from 1 (Angelopoulos et al. 2021); u = 1, or uniform for each input where randomized, which
    makes sets smaller and can leave one empty. Classes of equal probability stand in their order.

    Args:
      level: of coverage.
      by_class: as of `LAC`.
      penalty: λ, at least 0.
      free: k, classes without a price.
      randomized: draw u.
      seed: of u, a pure function of it and of an input's place in its array; with randomization
        the guarantee is on average over seeds, too.
    """

    options: ClassVar[tuple[str, ...]] = (
        "level",
        "by_class",
        "penalty",
        "free",
        "randomized",
        "seed",
    )

    def __init__(
        self,
        level: float = 0.9,
        by_class: bool = False,
        penalty: float = 0.01,
        free: int = 5,
        randomized: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(level, by_class)
        if not is_number(penalty) or not 0 <= penalty < math.inf or not _is_count(free):
            raise ValueError(
                "penalty and free must be at least 0 and finite, and free an integer, got "
                f"{penalty!r} and {free!r}."
            )
        if not _is_count(seed):
            raise ValueError(f"seed must be an integer of at least 0, got {seed!r}.")
        self.penalty, self.free = float(penalty), int(free)
        self.randomized, self.seed = check_flag("randomized", randomized), int(seed)

    def fit(self, probs: Any, labels: Any) -> Any:
        """As of `LAC`, with a warning where sets are larger than sure and right predictions need.

        Not randomized, the classes behind a sure one have its score: a prediction of probability 1
        has all of them in its set, or the free ones.
        """
        super().fit(probs, labels)
        probs = check_probs(probs)
        labels = check_labels(labels, probs.shape)
        if self.randomized or (probs.argmax(axis=1) != labels).any():
            return self
        size = self.sets(probs).sum(axis=1).mean()
        if size > _ROOMY:
            logging.getLogger("absl").warning(
                "%r has %s classes in a set, though the likeliest alone is right for each of these "
                "%d examples: not randomized, it counts the classes behind a sure one. Use "
                "randomized=True, or LAC(%g).",
                self,
                show(size, 3),
                len(probs),
                self.level,
            )
        return self

    def scores(self, probs: np.ndarray, fitting: bool = False) -> np.ndarray:
        """As the class says."""
        order = np.argsort(-probs, axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(probs.shape[1])[np.newaxis], axis=1)
        total = np.cumsum(np.take_along_axis(probs, order, axis=1), axis=1)
        scores = np.take_along_axis(total, rank, axis=1)
        if self.randomized:
            noise = Noise(self.seed, purpose=Purpose.OUTCOMES)
            u = noise.uniform((len(probs), 1), stream=int(fitting)).numpy().astype(np.float64)
            scores = scores - (1 - u) * probs
        return scores + self.penalty * np.maximum(rank + 1 - self.free, 0)


class APS(RAPS):
    """Score: the probability of the classes before c and c itself (Romano, Sesia & Candès 2020).

    `RAPS` without a price: λ = 0.

    Args:
      level: of coverage.
      by_class: as of `LAC`.
      randomized: as of `RAPS`.
      seed: as of `RAPS`.
    """

    options: ClassVar[tuple[str, ...]] = ("level", "by_class", "randomized", "seed")

    def __init__(
        self, level: float = 0.9, by_class: bool = False, randomized: bool = False, seed: int = 0
    ) -> None:
        super().__init__(level, by_class, 0.0, 0, randomized, seed)


class ConformalIntervals(_Conformal):
    """Intervals of numbers: a threshold, and the guarantee, for every target column by itself."""

    @abc.abstractmethod
    def scores(self, said: Any, targets: np.ndarray) -> np.ndarray:
        """The score `[N, D]` of targets."""

    @abc.abstractmethod
    def ends(self, said: Any, threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All targets with a score of at most the threshold: the lower and the upper end."""

    def fit(self, said: Any, targets: Any) -> Any:
        """Takes the threshold from a `Predictive` and targets `[N, D]` in its units.

        Raises:
          ValueError: a prediction of classes, too few examples for the level, targets of another
            shape, or a score that is NaN.
        """
        _require_numbers(self, said)
        targets = np.asarray(targets, np.float64)
        mean = np.asarray(said.mean)
        targets = targets[:, np.newaxis] if targets.ndim == 1 else targets
        if targets.shape != mean.shape or not np.isfinite(targets).all():
            raise ValueError(
                f"targets must be finite numbers of the shape of the mean, {mean.shape}, got "
                f"{targets.shape}; give those of the same examples, in the prediction's units."
            )
        self._require_enough(len(targets))
        self.state = {"threshold": conformal_quantile(self.scores(said, targets), self.level)}
        return self

    def interval(self, said: Any) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends `[N, D]` of a `Predictive`.

        Raises:
          ValueError: before `fit`, or for another number of target columns.
        """
        self.require_fitted()
        _require_numbers(self, said)
        threshold, shape = self.state["threshold"], np.shape(said.mean)
        if shape[1:] != threshold.shape:
            raise ValueError(
                f"the prediction must have the {len(threshold)} target columns that {self!r} was "
                f"fitted to, got a mean of shape {shape}."
            )
        return self.ends(said, threshold)


class AbsoluteResidual(ConformalIntervals):
    """Score |y − mean|: intervals of one width (Lei et al. 2018)."""

    def scores(self, said: Any, targets: np.ndarray) -> np.ndarray:
        """|y − mean|."""
        return np.abs(targets - said.mean)

    def ends(self, said: Any, threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean ± threshold."""
        return said.mean - threshold, said.mean + threshold


class NormalizedResidual(ConformalIntervals):
    """Score |y − mean|/σ with σ the predictive's own deviation (Lei et al. 2018, section 5.2)."""

    def scores(self, said: Any, targets: np.ndarray) -> np.ndarray:
        """|y − mean|/σ."""
        return np.abs(targets - said.mean) / said.stddev

    def ends(self, said: Any, threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean ± threshold · σ."""
        return said.mean - threshold * said.stddev, said.mean + threshold * said.stddev


class ConformalizedQuantiles(ConformalIntervals):
    """Score max(l − y, y − u) of the predictive's interval (Romano, Patterson & Candès 2019).

    Wider or narrower by the threshold on either side; one that closes up is empty, lower > upper.
    """

    def scores(self, said: Any, targets: np.ndarray) -> np.ndarray:
        """max(l − y, y − u)."""
        lower, upper = said.interval(self.level)
        return np.maximum(lower - targets, targets - upper)

    def ends(self, said: Any, threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[l − threshold, u + threshold]."""
        lower, upper = said.interval(self.level)
        return lower - threshold, upper + threshold


def _is_count(value: Any) -> bool:
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return integer and bool(value >= 0)


def _require_numbers(rule: ConformalIntervals, said: Any) -> None:
    """ValueError for a prediction of classes: its mean are probabilities."""
    likelihood = getattr(said, "likelihood", None)
    if getattr(likelihood, "task", None) == "classification":
        raise ValueError(
            f"{type(rule).__name__} is of targets that are numbers, got the classes of "
            f"{type(likelihood).__name__}; use sets, such as conformal=LAC(0.9)."
        )
