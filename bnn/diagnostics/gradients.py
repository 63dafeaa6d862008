"""The objective's value and gradient against the exact ELBO of the linear-Gaussian model."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from bnn.diagnostics.linear_gaussian import LinearGaussian
from bnn.diagnostics.report import Row, exact_row, skipped_row
from bnn.diagnostics.simulation import Outcome, Simulation
from bnn.diagnostics.statistic import Statistic

_STEP = 1e-2


class ObjectiveGradients:
    """Mean loss and mean gradient in every variable: loc, unconstrained scale, learned priors.

    The exact gradient is that of E[NLL] + KL / N by automatic differentiation of the closed form
    through q's mean and variance, the chain rule from σ to the unconstrained scale included.

    Args:
      exact: closed forms at the current parameters.
    """

    def __init__(self, exact: LinearGaussian) -> None:
        variables = exact.subject.model.trainable_variables
        self._variables = variables
        self._exact = exact
        with tf.GradientTape(persistent=True) as tape:
            nll, loss = exact.nll(), exact.loss()
        self._loss: Statistic | None = None
        self._gradients: list[Statistic] = []
        if loss is None:
            return
        self._loss = Statistic("loss", loss.numpy(), float(nll))
        for variable in variables:
            name = f"gradient {variable.name}"
            value = _gradient(tape, loss, variable)
            size = np.abs(_gradient(tape, nll, variable)).max() or np.abs(value).max() or 1.0
            self._gradients.append(Statistic(name, value, size))

    @property
    def statistics(self) -> list[Statistic]:
        """All rows that chance enters."""
        return [self._loss, *self._gradients] if self._loss else []

    def add(self, outcome: Outcome) -> None:
        """Takes in a chunk of draws."""
        if self._loss is None:
            return
        self._loss.add(outcome.terms.loss)
        for statistic, gradient in zip(self._gradients, outcome.terms.gradients, strict=True):
            statistic.add(gradient)

    def rows(self) -> list[Row]:
        """Whether the exact gradient is one: differentiable moments, right chain rule."""
        if self._loss is None:
            return [
                skipped_row("gradient", "the KL is known neither in closed form nor by quadrature")
            ]
        size = abs(float(self._loss.exact[0]))
        pairs = zip(self._gradients, self._variables, strict=True)
        return [self._chain_rule(statistic, variable, size) for statistic, variable in pairs]

    def _chain_rule(self, statistic: Statistic, variable: tf.Variable, size: float) -> Row:
        """Directional derivative by central differences against the automatic one."""
        rng = np.random.default_rng(statistic.exact.size)
        direction = np.sign(rng.normal(size=variable.shape)).astype(np.float32)
        before = variable.numpy()
        ends = []
        for sign in (1, -1):
            variable.assign(before + sign * _STEP * direction)
            loss: Any = self._exact.loss()
            ends.append(float(loss))
        variable.assign(before)
        numeric = (ends[0] - ends[1]) / (2 * _STEP)
        exact = float(statistic.exact @ direction.ravel())
        size = max(np.abs(statistic.exact).sum(), 1e-3 * size)
        return exact_row(f"chain rule {variable.name}", (numeric - exact) / size, 1e-2)


def value_rows(simulation: Simulation, outcome: Outcome, seed: int) -> list[Row]:
    """What must hold in every single draw, up to rounding.

    The objective's nll is (1/S) Σ wₛ fₛ, recomputed here from the draws: the score term has the
    value 0. Its loss is nll + KL / N + penalties: the KL enters once, divided by the number of
    training examples.

    Args:
      simulation: of the subject.
      outcome: a chunk of draws.
      seed: of other draws, made eagerly.
    """
    subject = simulation.subject
    pairs = []
    for step in range(2):
        values = []
        for sample in range(subject.num_samples):
            with subject.draw(seed, step, sample) as draw:
                outputs = subject.model(subject.inputs, training=True)
            value = -tf.reduce_mean(subject.likelihood.log_prob(outputs, subject.targets))
            values.append(tf.exp(draw.log_weight) * value)
        terms = subject.objective(
            subject.model,
            subject.inputs,
            subject.targets,
            estimator=subject.estimator,
            seed=seed,
            step=step,
        )
        pairs.append((float(terms.nll), float(tf.add_n(values)) / subject.num_samples))
    t = outcome.terms
    parts = t.nll + t.kl / subject.num_train + t.regularization
    return [
        _relative("value unchanged by the score term", *np.transpose(pairs)),
        _relative("loss = nll + KL / num_train", t.loss, parts),
    ]


def _relative(name: str, left: np.ndarray, right: np.ndarray) -> Row:
    size = np.abs(left) + np.abs(right)
    return exact_row(name, np.max(np.abs(left - right) / size), 1e-4)


def _gradient(tape: tf.GradientTape, target: tf.Tensor, variable: tf.Variable) -> np.ndarray:
    return tape.gradient(target, variable.value, unconnected_gradients="zero").numpy()
