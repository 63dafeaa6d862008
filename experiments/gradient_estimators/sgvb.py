"""Part 2: stochastic gradient variational Bayes where the exact posterior is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bnn.data import batch_indices
from bnn.estimators import (
    Estimator,
    Flipout,
    LeaveOneOut,
    LocalReparameterization,
    OptimalCoefficient,
    Reparameterization,
    RunningMean,
    ScoreFunction,
)
from bnn.objectives import (
    VIMCO,
    DoublyReparameterized,
    ImportanceWeightedBound,
    NegativeELBO,
    Plain,
    StickingTheLanding,
)
from bnn.schedules import Cosine
from bnn.training import TrainingSteps
from experiments.gradient_estimators import bounds, looks, sgvb_figure
from experiments.gradient_estimators.regressions import (
    LinearRegression,
    LogisticRegression,
    Regression,
)
from experiments.gradient_estimators.tables import Part, Table

NUM_SAMPLES = 4
LEARNING_RATE = 0.1
CLOSE = 0.05  # nats


class Case(NamedTuple):
    """One way to train.

    Attributes:
      name: of the estimator.
      estimator: gives the estimator.
      objective: kind of objective.
      options: of the objective.
      left_out: names of the problems it is not run on.
    """

    name: str
    estimator: Callable[[], Estimator]
    objective: Callable[..., NegativeELBO] = NegativeELBO
    options: Mapping[str, Any] = MappingProxyType({})
    left_out: tuple[str, ...] = ()


_FAST_CASES = (looks.REPARAMETERIZATION, looks.LEAVE_ONE_OUT, looks.IWAE_DREG)
_BATCHES = (LinearRegression.name,)  # IWAE needs the whole training set in every step
_SHORTER = (LogisticRegression.name,)
CASES = (
    Case(looks.REPARAMETERIZATION, Reparameterization),
    Case(looks.ANTITHETIC, Reparameterization, options={"antithetic": True}),
    Case(looks.LOCAL, LocalReparameterization),
    Case(looks.FLIPOUT, Flipout, left_out=_SHORTER),
    Case(looks.LANDING, Reparameterization, StickingTheLanding),
    Case(looks.SCORE, ScoreFunction),
    Case(looks.RUNNING_MEAN, lambda: ScoreFunction(RunningMean()), left_out=_SHORTER),
    Case(looks.LEAVE_ONE_OUT, lambda: ScoreFunction(LeaveOneOut())),
    Case(looks.OPTIMAL, lambda: ScoreFunction(OptimalCoefficient()), left_out=_SHORTER),
    Case(
        looks.IWAE_PLAIN,
        Reparameterization,
        ImportanceWeightedBound,
        {"gradient": Plain()},
        left_out=_BATCHES,
    ),
    Case(
        looks.IWAE_DREG,
        Reparameterization,
        ImportanceWeightedBound,
        {"gradient": DoublyReparameterized()},
        left_out=_BATCHES,
    ),
    Case(
        looks.IWAE_VIMCO,
        ScoreFunction,
        ImportanceWeightedBound,
        {"gradient": VIMCO()},
        left_out=_BATCHES,
    ),
)


class Reached(NamedTuple):
    """What trainings with several seeds reached.

    Attributes:
      steps: at which the ELBO was taken, `[T]`.
      gaps: best mean-field ELBO minus the ELBO reached, `[seeds, T]`, nats.
      loc: final means, `[seeds, D]`.
      scale: final standard deviations, `[seeds, D]`.
      microseconds: of one step.
    """

    steps: np.ndarray
    gaps: np.ndarray
    loc: np.ndarray
    scale: np.ndarray
    microseconds: float


def train(problem: Regression, case: Case, seeds: int, total_steps: int, every: int) -> Reached:
    """Trains with Adam from the same start, the exact ELBO taken every so many steps."""
    model, likelihood, estimator = problem.model(), problem.likelihood(), case.estimator()
    likelihood.build(1)
    num_train = len(problem.inputs)
    objective = case.objective(likelihood, num_train, NUM_SAMPLES, **case.options)
    seed = tf.Variable(0, dtype=tf.int64, trainable=False)
    rate = Cosine(LEARNING_RATE).for_keras(total_steps)
    optimizer = keras.optimizers.Adam(rate)
    steps = TrainingSteps(
        lambda x, y, step: objective(model, x, y, estimator=estimator, seed=seed, step=step),
        lambda numbers: batch_indices(
            numbers, batch_size=problem.batch_size, num_train=num_train, seed=seed
        ),
        problem.inputs,
        problem.targets,
        optimizer,
        model.trainable_variables,
        steps_per_call=every,
    )
    [site] = model.layers[-1].sites
    state = [*model.variables, *optimizer.variables, *estimator.baseline.variables]
    start = [variable.numpy() for variable in state]
    gaps, locs, scales, seconds = [], [], [], []
    for number in range(seeds):
        seed.assign(number)
        for variable, value in zip(state, start, strict=True):
            variable.assign(value)
        gaps.append([])
        for first in range(0, total_steps, every):
            begin = time.perf_counter()
            steps(first, every)
            seconds.append(time.perf_counter() - begin)
            loc, scale = (
                np.float64(part).ravel() for part in (site.posterior.mean, site.posterior.scale)
            )
            gaps[-1].append(problem.best_elbo - problem.elbo(loc, scale))
        locs.append(loc)
        scales.append(scale)
    return Reached(
        np.arange(every, total_steps + 1, every),
        np.array(gaps),
        np.array(locs),
        np.array(scales),
        float(np.median(seconds)) / every * 1e6,
    )


def run(folder: Path, fast: bool) -> Part:
    """Tables of both regressions and of the importance-weighted bound; one figure."""
    seeds, total_steps, every = (2, 200, 50) if fast else (5, 2000, 40)
    linear, logistic = LinearRegression(), LogisticRegression()
    reached: dict[str, dict[str, Reached]] = {}
    tables = []
    for problem in (linear, logistic):
        cases = [c for c in CASES if problem.name not in c.left_out]
        if fast:
            cases = [case for case in cases if case.name in _FAST_CASES]
        reached[problem.name] = {
            case.name: train(problem, case, seeds, total_steps, every) for case in cases
        }
        tables.append(_table(problem, reached[problem.name], seeds, total_steps))
    sgvb_figure.draw(folder / "sgvb.png", linear, logistic, reached)
    tables.append(bounds.table(logistic, 500 if fast else 20_000, (2,) if fast else (2, 4, 8)))
    return Part(
        tables,
        {"sgvb.png": sgvb_figure.CAPTION},
        {"optimizer": f"Adam, {LEARNING_RATE} falling to 0 along a cosine, {total_steps:,} steps"},
    )


def _table(problem: Regression, reached: dict[str, Reached], seeds: int, total_steps: int) -> Table:
    exact_scale = np.sqrt(np.diag(problem.covariance))
    rows = []
    for name, found in reached.items():
        error = np.abs(found.loc - problem.mean) / exact_scale
        rows.append(
            {
                "estimator": name,
                "S": NUM_SAMPLES,
                "ELBO gap": float(found.gaps[:, -1].mean()),
                "worst seed": float(found.gaps[:, -1].max()),
                f"steps to {CLOSE} nat": _steps_to(found),
                "error of the mean": float(np.sqrt(np.mean(error**2))),
                "sd / best sd": float(np.mean(found.scale / problem.best_scale)),
                "sd / exact sd": float(np.mean(found.scale / exact_scale)),
                "µs per step": found.microseconds,
                "seed": f"0–{seeds - 1}",
                "draws": seeds * total_steps * NUM_SAMPLES,
            }
        )
    size, dimension = problem.inputs.shape
    evidence, best = (
        f"{v:.3f}".replace("-", "−") for v in (problem.log_evidence, problem.best_elbo)
    )
    title = (
        f"{problem.name.capitalize()}: N = {size}, D = {dimension}, batches of "
        f"{problem.batch_size}, ln p(y) = {evidence}, best mean-field ELBO {best} nats"
    )
    return Table(problem.name.replace(" ", "_"), title, _NOTE, rows)


def _steps_to(found: Reached) -> int | None:
    """The first step from which on the mean gap stays below CLOSE; None where it never does."""
    above = np.flatnonzero(found.gaps.mean(axis=0) >= CLOSE)
    place = above[-1] + 1 if above.size else 0
    return int(found.steps[place]) if place < len(found.steps) else None


_NOTE = (
    "ELBO gap: best mean-field ELBO minus the exact ELBO of the posterior reached, in nats, mean "
    "over seeds. Error of the mean: root mean square, in standard deviations of the exact "
    "posterior. sd / best sd: 1 where the mean-field optimum is reached; sd / exact sd: below 1 "
    "is what mean-field loses, not the estimator."
)
