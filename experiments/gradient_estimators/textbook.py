"""Part 1: f(x) = x² and (x − k)² under x ~ N(μ, softplus(ρ)²), where everything is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bnn.figures.canvas import canvas, shared_legend
from experiments.gradient_estimators import looks
from experiments.gradient_estimators.expectation import NormalWeights
from experiments.gradient_estimators.mistakes import collection as mistakes
from experiments.gradient_estimators.moments import Square
from experiments.gradient_estimators.tables import Part, Table
from experiments.gradient_estimators.variants import DECAY, SHARE, VARIANTS, WIDENING

SEED = 1


class Case(NamedTuple):
    """One estimator of the textbook case."""

    name: str  # of the estimator
    num_samples: int  # S
    # S · variance in (μ, ρ) by the closed form; None where there is none
    exact: Callable[[Square], np.ndarray] | None


CASES = (
    Case(looks.MEAN, 1, lambda square: np.zeros(2)),
    Case(looks.REPARAMETERIZATION, 1, Square.reparameterization),
    Case(looks.LOCAL, 1, Square.reparameterization),
    Case(looks.FLIPOUT, 1, Square.reparameterization),
    Case(looks.ANTITHETIC, 2, Square.antithetic),
    Case(looks.SCORE, 1, Square.score),
    Case(looks.IMPORTANCE, 1, lambda square: square.importance(WIDENING, SHARE)),
    Case(looks.RUNNING_MEAN, 1, lambda square: square.running_mean(DECAY)),
    Case(looks.LEAVE_ONE_OUT, 4, lambda square: square.leave_one_out(4)),
    Case(looks.OPTIMAL, 4, None),
)
# name, k, μ, σ
FUNCTIONS = (("x²", 0.0, 1.0, 1.0), ("(x − 3)²", 3.0, 1.0, 0.5))
FIGURE_CASES = (looks.REPARAMETERIZATION, looks.ANTITHETIC, looks.SCORE, looks.LEAVE_ONE_OUT)


class Simulator:
    """Many gradients of one estimator; one compilation for all k, μ and σ."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._k = tf.Variable(0.0, trainable=False)
        self._weights = NormalWeights(1, lambda x: tf.square(x[0] - self._k))
        variant = VARIANTS[case.name]
        self._estimator = variant.estimator()
        self._antithetic = variant.options.get("antithetic", False)
        self._compiled = tf.function(self._run, jit_compile=True, autograph=False)

    def _one(self, step: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            sampled = self._weights.sample(
                self._estimator, self.case.num_samples, SEED, step, self._antithetic
            )
            loss = sampled.surrogate(self._estimator.baseline)
        self._estimator.baseline.update(sampled.values)
        gradients = tape.gradient(loss, self._weights.variables, unconnected_gradients="zero")
        return tf.concat([tf.reshape(g, [-1]) for g in gradients], axis=0)

    def _run(self, steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(self._one, steps, fn_output_signature=tf.float32, parallel_iterations=1)

    def __call__(self, k: float, loc: float, scale: float, draws: int) -> tuple[np.ndarray, float]:
        """Gradients `[draws, 2]` in (μ, ρ), and the least microseconds of one in three runs."""
        self._k.assign(k)
        self._weights.assign(loc, scale)
        steps, seconds = tf.range(draws), []
        gradients = self._compiled(steps)  # compiles, and lets a running mean settle
        for _ in range(3):
            start = time.perf_counter()
            gradients = self._compiled(steps)
            seconds.append(time.perf_counter() - start)
        return np.float64(gradients), min(seconds) / draws * 1e6


def run(folder: Path, fast: bool) -> Part:
    """Tables of both functions and of the mistakes, and variance against σ as a figure."""
    draws = 20_000 if fast else 400_000
    cases = [case for case in CASES if case.name in FIGURE_CASES or not fast]
    simulators = [Simulator(case) for case in cases]
    tables = [
        Table(
            f"textbook_{number}",
            f"f(x) = {name}, μ = {loc:g}, σ = {scale:g}: exact gradient {_pair(k, loc, scale)}",
            [_row(simulator, k, loc, scale, draws) for simulator in simulators],
        )
        for number, (name, k, loc, scale) in enumerate(FUNCTIONS, 1)
    ]
    shown = [s for s in simulators if s.case.name in FIGURE_CASES]
    _figure(folder / "textbook.png", shown, draws)
    return Part(
        [*tables, mistakes.table(draws=4000 if fast else 40_000)],
        ["textbook.png"],
        {"gradients per row": f"{draws:,}"},
    )


def _row(simulator: Simulator, k: float, loc: float, scale: float, draws: int) -> dict[str, Any]:
    case, square = simulator.case, Square(k, loc, scale)
    gradients, microseconds = simulator(k, loc, scale, draws)
    exact = [None, None] if case.exact is None else case.exact(square)
    variances = case.num_samples * gradients.var(axis=0, ddof=1)
    row: dict[str, Any] = {"estimator": case.name, "S": case.num_samples}
    for i, symbol in enumerate("μρ"):
        row[f"z {symbol}"] = _z(gradients[:, i], square.gradient()[i])
    for i, symbol in enumerate("μρ"):
        row[f"S·Var {symbol}"] = _clean(variances[i], square.gradient()[i])
        row[f"exact {symbol}"] = None if exact[i] is None else float(exact[i])
    row["µs"] = microseconds
    for symbol in "μρ":
        row[f"Var {symbol} × µs"] = row[f"S·Var {symbol}"] / case.num_samples * microseconds
    return {**row, "seed": SEED, "draws": draws}


def _z(samples: np.ndarray, exact: float) -> float:
    """Bias in standard errors; 0 or infinite where the samples do not vary beyond rounding."""
    error = samples.std(ddof=1) / np.sqrt(len(samples))
    bias = samples.mean() - exact
    if error < 1e-7 * max(abs(exact), 1.0):
        return 0.0 if abs(bias) < 1e-5 * max(abs(exact), 1.0) else float(np.sign(bias) * np.inf)
    return float(bias / error)


def _clean(variance: float, gradient: float) -> float:
    """The variance, or 0 where it is the rounding of float32."""
    return float(variance) if variance > (1e-6 * max(abs(gradient), 1.0)) ** 2 else 0.0


def _pair(k: float, loc: float, scale: float) -> str:
    in_loc, in_rho = Square(k, loc, scale).gradient()
    return f"({in_loc:.3g}, {in_rho:.3g}) in (μ, ρ)".replace("-", "−")


def _figure(path: Path, simulators: list[Simulator], draws: int) -> None:
    k, loc = 3.0, 1.0
    scales = np.geomspace(0.05, 5, 7)
    fine = np.geomspace(0.05, 5, 100)
    with canvas(path, 7.2, 3.4) as figure:
        axes = figure.subplots(1, 2)
        for simulator in simulators:
            case, style = simulator.case, looks.look(simulator.case.name)
            exact = np.array([case.exact(Square(k, loc, s)) for s in fine])
            measured = np.array(
                [case.num_samples * simulator(k, loc, s, draws // 4)[0].var(axis=0) for s in scales]
            )
            for i, axis in enumerate(axes):
                if exact[:, i].max() == 0:  # pairs in μ: nothing to draw on a logarithmic axis
                    continue
                axis.plot(fine, exact[:, i], color=style["color"], linestyle=style["linestyle"])
                axis.plot(
                    scales,
                    measured[:, i],
                    color=style["color"],
                    marker=style["marker"],
                    linestyle="none",
                    label=case.name,
                )
        for axis, symbol in zip(axes, "μρ", strict=True):
            axis.set(xscale="log", yscale="log", xlabel="σ", ylabel="S · variance")
            axis.set_title(f"gradient in {symbol}")
        shared_legend(figure, 4)
