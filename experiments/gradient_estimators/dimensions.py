"""Part 4: what baselines and importance sampling do for the score function in D dimensions.

f(w) = ‖w − k‖² / D under q = N(μ, σ² I), the same μ and σ for every weight, a = μ − k. E[f] =
a² + σ² whatever D is, so that only the number of weights changes. Gradient in μ: 2a / D each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bnn import estimators
from bnn.figures.canvas import canvas, shared_legend
from experiments.gradient_estimators import looks
from experiments.gradient_estimators.expectation import NormalWeights, Sampled
from experiments.gradient_estimators.tables import Part, Table
from experiments.gradient_estimators.variants import DECAY

SEED = 7
K, LOC, SCALE = 0.0, 1.0, 0.5
NUM_SAMPLES = 4
DIMENSIONS = (1, 10, 100, 1000, 10_000)
WIDENINGS = (2.0, 1.1)
_SETTLING = 200  # steps until the running mean has forgotten that it started at 0
BASELINES: Mapping[str, type[estimators.Baseline]] = {
    looks.SCORE: estimators.NoBaseline,
    looks.RUNNING_MEAN: estimators.RunningMean,
    looks.LEAVE_ONE_OUT: estimators.LeaveOneOut,
    looks.OPTIMAL: estimators.OptimalCoefficient,
}


def _importance(widening: float) -> str:
    return f"{looks.IMPORTANCE} k = {widening:g}"


class Simulator:
    """Gradients in μ of all variants for one D, those with a baseline from the same draws."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._weights = NormalWeights(dimension, lambda w: tf.reduce_mean(tf.square(w - K)))
        self._weights.assign(LOC, SCALE)
        self._baselines = {name: kind() for name, kind in BASELINES.items()}
        self._exact = 2 * (LOC - K) / dimension
        self._compiled = tf.function(self._run, jit_compile=True, autograph=False)

    def __call__(self, draws: int) -> dict[str, np.ndarray]:
        """By name: rows of (‖g − ∇‖², mean over weights of g − ∇, Σ w, Σ w²), `[draws, 4]`."""
        steps = tf.range(_SETTLING + draws)
        found = {name: np.float64(rows) for name, rows in self._compiled(steps).items()}
        return {name: rows[_SETTLING:] for name, rows in found.items()}

    def _run(self, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        names = [looks.REPARAMETERIZATION, *BASELINES, *map(_importance, WIDENINGS)]
        signature = dict.fromkeys(names, tf.TensorSpec([4]))
        return tf.map_fn(self._one, steps, fn_output_signature=signature, parallel_iterations=1)

    def _one(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        variants: list[tuple[estimators.Estimator, Mapping[str, estimators.Baseline]]] = [
            (estimators.Reparameterization(), {looks.REPARAMETERIZATION: estimators.NoBaseline()}),
            # This baseline's estimator computes the score norms; the others ignore them.
            (estimators.ScoreFunction(estimators.OptimalCoefficient()), self._baselines),
            *(
                (
                    estimators.ScoreFunction(proposal=estimators.DefensiveMixture(k)),
                    {_importance(k): estimators.NoBaseline()},
                )
                for k in WIDENINGS
            ),
        ]
        rows = {}
        for estimator, baselines in variants:
            found = self._weights.differentiate(estimator, NUM_SAMPLES, SEED, step)
            for name, baseline in baselines.items():
                rows[name] = self._row(found.gradient(baseline), found.sampled)
                baseline.update(found.sampled.values)
        return rows

    def _row(self, gradient: tf.Tensor, sampled: Sampled) -> tf.Tensor:
        error = gradient - self._exact
        weights = tf.exp(sampled.log_weights)
        return tf.stack(
            [
                tf.reduce_sum(tf.square(error)),
                tf.reduce_mean(error),
                tf.reduce_sum(weights),
                tf.reduce_sum(tf.square(weights)),
            ]
        )


def exact_trace(name: str, dimension: int) -> float | None:
    """The trace of the variance of one gradient in μ from S samples; None without closed form.

    With h = (a + σ ε)², f = (1/D) Σ h_j, ψ_d = ε_d / σ: f splits into the part of the other
    weights, independent of ε_d, and h_d / D, so that moments of f and ψ_d follow from those of h
    and ε. Leave-one-out is the sample covariance of f and ψ, see `moments.Square.leave_one_out`.
    """
    a, s, n, count = LOC - K, SCALE, dimension, NUM_SAMPLES
    if name == looks.REPARAMETERIZATION:
        return 4 * s**2 / n / count
    mean_h, var_h = a**2 + s**2, 4 * a**2 * s**2 + 2 * s**4
    # E[h ε²] and E[h² ε²].
    h_ee, hh_ee = a**2 + 3 * s**2, a**4 + 18 * a**2 * s**2 + 15 * s**4

    def second(baseline: float) -> float:
        """E[(f − b)² ψ²] for a constant b."""
        rest_mean, rest_var = (n - 1) / n * mean_h - baseline, (n - 1) / n**2 * var_h
        return (rest_mean**2 + rest_var + 2 * rest_mean * h_ee / n + hh_ee / n**2) / s**2

    gradient, var_f = 2 * a / n, var_h / n
    if name == looks.SCORE:
        return n * (second(0.0) - gradient**2) / count
    if name == looks.RUNNING_MEAN:
        spread = var_f / count * (1 - DECAY) / (1 + DECAY) / s**2
        return n * (second(mean_h) + spread - gradient**2) / count
    if name == looks.LEAVE_ONE_OUT:
        one = second(mean_h) - (count - 2) / (count - 1) * gradient**2
        return n * (one + var_f / s**2 / (count - 1)) / count
    return None


def run(folder: Path, fast: bool) -> Part:
    """Table and figure of the variance against D."""
    dimensions, draws = ((10,), 500) if fast else (DIMENSIONS, 4000)
    measured = {dimension: Simulator(dimension)(draws) for dimension in dimensions}
    rows = [
        _row(name, dimension, found)
        for name in measured[dimensions[0]]
        for dimension in dimensions
        for found in [measured[dimension][name]]
    ]
    _figure(folder / "dimensions.png", rows)
    title = (
        f"f(w) = ‖w‖² / D, μ = {LOC:g}, σ = {SCALE:g}, S = {NUM_SAMPLES}: gradient in μ against D"
    )
    return Part([Table("dimensions", title, rows)], ["dimensions.png"], {})


def _row(name: str, dimension: int, found: np.ndarray) -> dict[str, Any]:
    signal = 4 * (LOC - K) ** 2 / dimension
    exact = exact_trace(name, dimension)
    errors = found[:, 1]
    return {
        "estimator": name,
        "D": dimension,
        "z": float(errors.mean() / (errors.std(ddof=1) / np.sqrt(len(errors)))),
        "variance / signal": float(found[:, 0].mean() / signal),
        "exact": None if exact is None else exact / signal,
        "SNR": float(np.sqrt(signal / found[:, 0].mean())),
        "S for SNR 1": float(NUM_SAMPLES * found[:, 0].mean() / signal),
        "effective share": float(found[:, 2].mean() ** 2 / (NUM_SAMPLES * found[:, 3].mean())),
        "seed": SEED,
        "draws": len(found),
    }


def _figure(path: Path, rows: list[dict[str, Any]]) -> None:
    with canvas(path, 6.2, 4.0) as figure:
        axis = figure.subplots()
        for name in dict.fromkeys(row["estimator"] for row in rows):
            own = [row for row in rows if row["estimator"] == name]
            style = looks.look(name)
            if name == _importance(WIDENINGS[1]):
                style |= {"linestyle": ":", "markerfacecolor": "white"}
            axis.plot(
                [row["D"] for row in own],
                [row["variance / signal"] for row in own],
                label=name,
                **style,
            )
        axis.set(xscale="log", yscale="log", xlabel="number of weights D")
        axis.set_ylabel("trace of variance / ‖gradient‖²")
        axis.axhline(1.0, color="black", lw=0.6)
        shared_legend(figure, 3)
