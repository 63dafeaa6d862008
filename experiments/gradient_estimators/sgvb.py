"""Part 2: stochastic gradient variational Bayes where the exact posterior is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from bnn.figures.canvas import BLACK, GREY, canvas, shared_legend
from bnn.schedules import Cosine
from experiments.gradient_estimators import bounds, looks
from experiments.gradient_estimators.regressions import (
    LinearRegression,
    LogisticRegression,
    Regression,
)
from experiments.gradient_estimators.tables import Part, Table
from experiments.gradient_estimators.variants import VARIANTS
from experiments.steps import training_steps
from experiments.study import minus

NUM_SAMPLES = 4
LEARNING_RATE = 0.1
CLOSE = 0.05  # nats
# Of the figure: the least gap drawn, and the posteriors.
_FLOOR = 1e-5
_SHOWN = (looks.REPARAMETERIZATION, looks.IWAE_DREG)


_FAST_CASES = (looks.REPARAMETERIZATION, looks.LEAVE_ONE_OUT, looks.IWAE_DREG)
_WEIGHTED = (looks.IWAE_PLAIN, looks.IWAE_DREG, looks.IWAE_VIMCO)
# By problem; the importance-weighted bound needs the whole training set in every step.
CASES = {
    LinearRegression.name: (
        *(looks.REPARAMETERIZATION, looks.ANTITHETIC, looks.LOCAL, looks.FLIPOUT, looks.LANDING),
        *(looks.SCORE, looks.RUNNING_MEAN, looks.LEAVE_ONE_OUT, looks.OPTIMAL),
    ),
    LogisticRegression.name: (
        *(looks.REPARAMETERIZATION, looks.ANTITHETIC, looks.LOCAL, looks.LANDING),
        *(looks.SCORE, looks.LEAVE_ONE_OUT, *_WEIGHTED),
    ),
}


class Reached(NamedTuple):
    """What trainings with several seeds reached."""

    steps: np.ndarray  # at which the ELBO was taken, `[T]`
    gaps: np.ndarray  # best mean-field ELBO minus the ELBO reached, `[seeds, T]`, nats
    loc: np.ndarray  # final means, `[seeds, D]`
    scale: np.ndarray  # final standard deviations, `[seeds, D]`
    microseconds: float  # of one step


def train(problem: Regression, name: str, seeds: int, total_steps: int, every: int) -> Reached:
    """Trains with Adam from the same start, the exact ELBO taken every so many steps."""
    model, likelihood, variant = problem.model(), problem.likelihood(), VARIANTS[name]
    likelihood.build(1)
    estimator = variant.estimator()
    seed = tf.Variable(0, dtype=tf.int64, trainable=False)
    optimizer = keras.optimizers.Adam(Cosine(LEARNING_RATE).for_keras(total_steps))
    steps = training_steps(
        model,
        variant.bound(likelihood, len(problem.inputs), NUM_SAMPLES),
        estimator,
        (problem.inputs, problem.targets),
        optimizer,
        batch_size=problem.batch_size,
        seed=seed,
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
        reached[problem.name] = {
            name: train(problem, name, seeds, total_steps, every)
            for name in CASES[problem.name]
            if name in _FAST_CASES or not fast
        }
        tables.append(_table(problem, reached[problem.name], seeds, total_steps))
    _figure(folder / "sgvb.png", linear, logistic, reached)
    tables.append(bounds.table(logistic, 500 if fast else 20_000, (2,) if fast else (2, 4, 8)))
    return Part(
        tables,
        ["sgvb.png"],
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
    evidence, best = (minus(f"{v:.3f}") for v in (problem.log_evidence, problem.best_elbo))
    title = (
        f"{problem.name.capitalize()}: N = {size}, D = {dimension}, batches of "
        f"{problem.batch_size}, ln p(y) = {evidence}, best mean-field ELBO {best} nats"
    )
    return Table(problem.name.replace(" ", "_"), title, rows)


def _steps_to(found: Reached) -> int | None:
    """The first step from which on the mean gap stays below CLOSE; None where it never does."""
    above = np.flatnonzero(found.gaps.mean(axis=0) >= CLOSE)
    place = above[-1] + 1 if above.size else 0
    return int(found.steps[place]) if place < len(found.steps) else None


def _figure(
    path: Path,
    linear: Regression,
    logistic: LogisticRegression,
    reached: Mapping[str, Mapping[str, Reached]],
) -> None:
    """Draws both problems' curves and the logistic posterior."""
    with canvas(path, 9.6, 3.9) as figure:
        left, middle, right = figure.subplots(1, 3)
        for axis, problem in ((left, linear), (middle, logistic)):
            for name, found in reached[problem.name].items():
                if name.startswith("IWAE"):
                    continue
                gap = np.maximum(found.gaps.mean(axis=0), _FLOOR)
                style = {**looks.look(name), "markevery": max(len(gap) // 8, 1)}
                axis.plot(found.steps, gap, label=name, lw=1.1, **style)
            axis.set(yscale="log", xlabel="step", ylabel="ELBO gap (nats)", title=problem.name)
        _posterior(right, logistic, reached[logistic.name])
        shared_legend(figure, 4)


def _posterior(axis: Axes, problem: LogisticRegression, reached: Mapping[str, Reached]) -> None:
    density = np.sort(problem.density.ravel())[::-1]
    mass = np.cumsum(density) / density.sum()
    levels = [density[np.searchsorted(mass, share)] for share in (0.95, 0.5)]
    axis.contourf(
        problem.grid,
        problem.grid,
        problem.density.T,
        levels=[*levels, density[0]],
        colors=["#DDDDDD", "#B5B5B5"],
    )
    axis.plot(*problem.mean, color=GREY, marker="+", linestyle="none", label="exact mean")
    shapes = [("best mean-field", problem.best_loc, problem.best_scale, BLACK, ":")]
    for name in _SHOWN:
        if name in reached:
            found, style = reached[name], looks.look(name)
            shapes.append((name, found.loc[0], found.scale[0], style["color"], style["linestyle"]))
    radius = 2 * np.sqrt(-2 * np.log(0.05))
    for name, loc, scale, color, line in shapes:
        axis.add_patch(
            Ellipse(
                loc, *(radius * scale), fill=False, ec=color, ls=line, lw=1.4, label=name, zorder=3
            )
        )
    spread = 3.5 * np.sqrt(np.diag(problem.covariance))
    for set_limits, m, s in zip((axis.set_xlim, axis.set_ylim), problem.mean, spread, strict=True):
        set_limits(m - s, m + s)
    axis.set(xlabel="intercept", ylabel="slope", title="logistic regression: posterior")
