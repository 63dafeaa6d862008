"""As many weight samples as a prediction needs: drawn until its standard error is small enough."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.formatting import is_number
from bnn.likelihoods import ClassMixture, Likelihood, Mixture
from bnn.prediction import Functions, predict_blocks
from bnn.prediction.functions import check_num_samples
from bnn.prediction.inputs import leaves, row_blocks
from bnn.predictive import standard_errors

_ROWS = 1000  # of one pass
_HELD = 2**26  # numbers of outputs that wait for more samples, 256 MB
_PIECE = 2**22  # numbers of one mixture
_OVER = ("each", "mean")

Piece = tuple[np.ndarray, Mixture | ClassMixture]


class Convergence(NamedTuple):
    """What became of a tolerance.

    Attributes:
      tolerance: that was asked for: of a probability, or in target units.
      max_samples: the cap.
      num_samples: weight samples that each input got, `[N]`.
      standard_error: of the mean, the largest over classes or target columns, `[N]`.
      reached: whether the standard error is at most the tolerance, `[N]`; the others hit the cap,
        or are above the mean where the tolerance is of the mean.
    """

    tolerance: float
    max_samples: int
    num_samples: np.ndarray
    standard_error: np.ndarray
    reached: np.ndarray

    @property
    def at_cap(self) -> np.ndarray:
        """The numbers of the inputs that got all `max_samples` and are not exact enough."""
        return np.flatnonzero(~self.reached & (self.num_samples == self.max_samples))

    def __str__(self) -> str:
        """In words."""
        return (
            f"standard error at most {self.tolerance:g} for {int(self.reached.sum())} of "
            f"{len(self.reached)} inputs, {self.num_samples.mean():.4g} weight samples an input; "
            f"{len(self.at_cap)} hit the cap of {self.max_samples}"
        )


class Tolerance:
    """Draws functions until the standard error of the predictive mean is below a tolerance.

    After n samples with values v₁ … vₙ of the mean, it has the standard error
    √(Σ (vᵢ − v̄)²/(n(n − 1))). It is looked at after `first`, 2 `first`, 4 `first` … samples, at the
    latest after all of them. Looking seldom keeps small the chance to stop at an error that came
    out small by luck; a larger `first` makes it smaller still. Sample s is function s whatever is
    drawn before it, and is drawn once. Samples count as independent: those of a Markov chain have a
    larger error than is said.

    Args:
      tolerance: of the standard error, positive; of probabilities, or in target units.
      over: `"each"`: every input stops by itself, when the largest error of its classes or columns
        is small enough; `"mean"`: all get equally many samples, until the mean of these is.
      first: samples that every input gets, at least 2.
    """

    def __init__(self, tolerance: float, over: str, first: int) -> None:
        if not is_number(tolerance) or not 0 < tolerance < math.inf:
            raise ValueError(
                f"tolerance must be a positive number, got {tolerance!r}: the standard error of "
                "the mean to reach, of probabilities or in target units."
            )
        if over not in _OVER:
            raise ValueError(f"tolerance_over must be 'each' or 'mean', got {over!r}.")
        if first < 2:
            raise ValueError(
                f"num_samples must be at least 2 with a tolerance, got {first}: one sample has no "
                "standard error; 32 is a good start."
            )
        self.tolerance, self.over, self.first = float(tolerance), over, first

    def pieces(self, model: keras.Model, inputs: Any, ask: Ask) -> Iterator[Piece]:
        """Places of inputs, and their mixture; `ask.convergence` is known at the end."""
        if self.over == "mean" and ask.convergence is None:
            ask.convergence = self._in_the_mean(model, inputs, ask)
        counts = None if ask.convergence is None else ask.convergence.num_samples
        known: list[tuple[np.ndarray, ...]] = []
        for start, rows in _parts(model, inputs, ask):
            num_rows = leaves(rows)[0].shape[0]
            if counts is None:
                one = np.zeros(num_rows, int), np.zeros(num_rows)
                known.append(one)
                yield from self._until(model, rows, start, ask, one)
                continue
            here = counts[start : start + num_rows]
            for count in np.unique(here):
                places = np.flatnonzero(here == count)
                outputs = _outputs(model, rows, places, slice(0, int(count)), ask)
                yield from _mixtures(start + places, [outputs], ask)
        if counts is None:
            drawn, errors = (np.concatenate(part) for part in zip(*known, strict=True))
            ask.convergence = self._convergence(drawn, errors, ask)

    def _until(
        self, model: keras.Model, rows: Any, start: int, ask: Ask, known: tuple[np.ndarray, ...]
    ) -> Iterator[Piece]:
        """Samples for the inputs that still need them, all of which go on together."""
        active = np.arange(len(known[0]))
        parts: list[np.ndarray] = []
        spread, done = _Spread(), 0
        while len(active):
            target = min(max(self.first, 2 * done), ask.functions.num_samples)
            for first in range(done, target, self.first):
                which = slice(first, min(first + self.first, target))
                parts.append(_outputs(model, rows, active, which, ask))
                spread.add(ask.values(parts[-1]))
            done = target
            errors = spread.error().max(axis=-1)
            enough = (errors <= self.tolerance) | (done == ask.functions.num_samples)
            known[0][active[enough]], known[1][active[enough]] = done, errors[enough]
            if enough.any():
                yield from _mixtures(start + active[enough], [p[:, enough] for p in parts], ask)
            parts, active = [p[:, ~enough] for p in parts], active[~enough]
            spread.keep(~enough)

    def _in_the_mean(self, model: keras.Model, inputs: Any, ask: Ask) -> Convergence:
        done, spreads = 0, [_Spread() for _ in _parts(model, inputs, ask)]
        while True:
            target = min(max(self.first, 2 * done), ask.functions.num_samples)
            for spread, (_, rows) in zip(spreads, _parts(model, inputs, ask), strict=True):
                everything = np.arange(leaves(rows)[0].shape[0])
                for first in range(done, target, self.first):
                    which = slice(first, min(first + self.first, target))
                    outputs = _outputs(model, rows, everything, which, ask)
                    spread.add(ask.values(outputs))
            done = target
            errors = np.concatenate([s.error().max(axis=-1) for s in spreads])
            if errors.mean() <= self.tolerance or done == ask.functions.num_samples:
                return self._convergence(np.full(len(errors), done), errors, ask)

    def _convergence(self, drawn: np.ndarray, errors: np.ndarray, ask: Ask) -> Convergence:
        most = ask.functions.num_samples
        return Convergence(self.tolerance, most, drawn, errors, errors <= self.tolerance)


class Ask:
    """What a prediction with a tolerance is asked with, and what came of it.

    Args:
      likelihood: p(y | outputs).
      functions: at most all of which are drawn.
      units: `loc` and `scale` of regression targets.
      options: `batch_size` and `jit_compile` of a pass.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        functions: Functions,
        units: dict[str, Any],
        options: dict[str, Any],
    ) -> None:
        self.likelihood, self.functions, self.units = likelihood, functions, units
        self.options = {**options, "batch_size": options.get("batch_size") or _ROWS}
        self.convergence: Convergence | None = None

    def mixture(self, outputs: np.ndarray) -> Mixture | ClassMixture:
        """Of outputs `[S, B, K]`."""
        return self.likelihood.predictive(outputs, **self.units)

    def values(self, outputs: np.ndarray) -> np.ndarray:
        """What each independent sample, or group of samples, says of the mean, `[n, B, D]`."""
        values = standard_errors.values_of_mean(self.mixture(outputs))
        return standard_errors.grouped(values, self.functions.coupled)


class _Spread:
    """Mean and sum of squared deviations of samples that come in parts (Chan, Golub, LeVeque 1983).

    M₂ = M₂ᵃ + M₂ᵇ + δ² nᵃ nᵇ/n with δ the difference of the parts' means.
    """

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(()), np.zeros(())

    def add(self, values: np.ndarray) -> None:
        """Takes samples `[n, B, D]`."""
        count, mean = len(values), values.mean(axis=0)
        total, delta = self.count + count, mean - self.mean
        squares = ((values - mean) ** 2).sum(axis=0)
        self.squares = self.squares + squares + delta**2 * self.count * count / total
        self.mean, self.count = self.mean + delta * count / total, total

    def keep(self, which: np.ndarray) -> None:
        """Forgets the other inputs."""
        self.mean, self.squares = self.mean[which], self.squares[which]

    def error(self) -> np.ndarray:
        """The standard error of the mean, `[B, D]`."""
        return np.sqrt(self.squares / (self.count * (self.count - 1)))


def as_tolerance(tolerance: float | None, over: str, num_samples: int) -> Tolerance | None:
    """The tolerance that was asked for, looked at from `num_samples` on; None for none."""
    return None if tolerance is None else Tolerance(tolerance, over, check_num_samples(num_samples))


def _parts(model: keras.Model, inputs: Any, ask: Ask) -> Iterator[tuple[int, Any]]:
    """First place and inputs of as many rows as may wait in memory with all their samples."""
    most = max(1, _HELD // (ask.functions.num_samples * _width(model)))
    return row_blocks(model, inputs, most, ask.options["finite"])


def _width(model: keras.Model) -> int:
    """Numbers of one output; a guess for models that do not say."""
    outputs = keras.tree.flatten(getattr(model, "outputs", None) or [])
    return sum(math.prod(n or 1 for n in x.shape[1:]) for x in outputs) or 16


def _outputs(
    model: keras.Model, rows: Any, places: np.ndarray, which: slice, ask: Ask
) -> np.ndarray:
    """Outputs `[samples, rows, K]` of some samples for some rows."""
    if len(places) < leaves(rows)[0].shape[0]:
        rows = keras.tree.map_structure(lambda x: tf.gather(x, places), rows)
    by_rows: dict[int, list[np.ndarray]] = {}
    for block in predict_blocks(model, rows, functions=ask.functions, samples=which, **ask.options):
        by_rows.setdefault(block.rows.start, []).append(one_output(block.outputs))
    return np.concatenate([np.concatenate(parts) for parts in by_rows.values()], axis=1)


def one_output(outputs: Any) -> np.ndarray:
    """The outputs of a model that has one; ValueError for several."""
    if not tf.is_tensor(outputs):
        raise ValueError(
            "bnn.predictive needs a model with one output, got "
            f"{type(outputs).__name__}; use bnn.predict and Heads.predictive."
        )
    return outputs.numpy()


def _mixtures(places: np.ndarray, parts: list[np.ndarray], ask: Ask) -> Iterator[Piece]:
    """Mixtures of bounded size."""
    numbers = sum(math.prod(p.shape[:1] + p.shape[2:]) for p in parts)
    size = max(1, _PIECE // numbers)
    for first in range(0, len(places), size):
        here = slice(first, first + size)
        yield places[here], ask.mixture(np.concatenate([p[:, here] for p in parts]))
