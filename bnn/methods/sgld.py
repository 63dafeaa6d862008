"""Stochastic-gradient Langevin dynamics, plain and preconditioned."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.methods.problem import Problem
from bnn.methods.sampler import Sampler
from bnn.noise import Noise
from bnn.schedules import Schedule


@gin.register(module="bnn.methods")
class SGLD(Sampler):
    """w ← w − ½ ε G ∇U(w) + √(ε T G) ξ, ξ ~ N(0, 1), U = −log p(w, y), G = 1.

    Welling & Teh 2011, equation 4; ∇U is N times the gradient per example, from a batch. Its law
    is p(w | y)^(1/T) for ε → 0. At a finite ε variances are too large: in a direction of curvature
    λ by the factor 1 / (1 − ε λ / 4), and, where the gradient has variance C, by 1 + ε C / (4 T).

    Preconditioned (Li et al. 2016, equations 4 and 5), with g the gradient per example:

        V ← α V + (1 − α) g²,  G = 1 / (δ + √V)

    elementwise. V is taken from the steps before the first sample and fixed there: a G that moves
    with w needs the term Γ = Σ_j ∂G_ij / ∂w_j, which Li et al. leave out, and has another law
    without it.

    Every step says the configurational temperature wᵀ∇U(w) / D (Wenzel et al. 2020, appendix I; D
    weights). Its mean is T for ε → 0; of a normal posterior, with the whole gradient, T times the
    mean of the factor. There is no kinetic one: nothing has a momentum. In the descent before the
    chain it is 0.

    `step_size = @CosineCycles()` is cyclical SGLD (Zhang et al. 2020).

    Args:
      step_size: ε, a number or a schedule over the progress of training.
      preconditioned: G as above; ε is then in its units, about √V times as large.
      temperature: T.
      decay: α.
      damping: δ.
      warm_start: share of the steps that the run's optimizer takes first, where it has one.
      burn_in: share of the steps before the first sample.
      thinning: steps from one sample to the next; where None, what keeps about a hundred.
    """

    averaged = ("nll", "configurational_temperature")
    measures = ("configurational_temperature",)

    def __init__(
        self,
        step_size: float | Schedule = 1e-4,
        *,
        preconditioned: bool = False,
        temperature: float = 1.0,
        decay: float = 0.99,
        damping: float = 1e-5,
        warm_start: float = 0.3,
        burn_in: float = 0.5,
        thinning: int | None = None,
    ) -> None:
        super().__init__(step_size, temperature, warm_start, burn_in, thinning)
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, got {decay}; 0.99 is usual.")
        if not damping > 0:
            raise ValueError(f"damping must be positive, got {damping}; 1e-5 is usual.")
        self.preconditioned, self.decay, self.damping = bool(preconditioned), decay, damping

    def create(self, problem: Problem) -> None:
        """V, which begins at 0.

        Raises:
          ValueError: preconditioning without a burn-in to take it from.
        """
        if self.preconditioned and not self.burn_steps:
            raise ValueError(
                f"preconditioned needs steps before the first sample, got burn_in={self.burn_in} "
                f"of {problem.total_steps} steps; use burn_in = 0.5."
            )
        self._squares = [
            keras.Variable(tf.zeros(w.shape), trainable=False, name=f"squares_{i}")
            for i, w in enumerate(self.weights)
            if self.preconditioned
        ]

    def adapt(self, slopes: list[tf.Tensor], noise: Noise) -> None:
        """V, before the first sample."""
        share = tf.where(noise.step < self.burn_steps, 1.0 - self.decay, 0.0)
        for square, slope in zip(self._squares, slopes, strict=False):
            square.assign_add(share * (tf.square(slope) - square))

    def move(self, slopes: list[tf.Tensor], noise: Noise) -> list[tf.Tensor]:
        """The update; its temperature."""
        step_size, heat = self.step_size(self.progress(noise)), self.heat(noise)
        virial, count = [], sum(math.prod(w.shape) for w in self.weights)
        for number, (weight, slope) in enumerate(zip(self.weights, slopes, strict=True)):
            size = step_size * self._scale(number)
            drift = 0.5 * size * self.problem.num_train * slope
            virial.append(self.problem.num_train * tf.reduce_sum(weight * slope))
            weight.assign_sub(drift - tf.sqrt(size * heat) * self.normal(noise, number))
        return [tf.add_n(virial) / count]

    def _scale(self, number: int) -> tf.Tensor:
        """G."""
        if not self.preconditioned:
            return tf.constant(1.0)
        return 1.0 / (self.damping + tf.sqrt(self._squares[number]))

    def describe(self) -> dict[str, Any]:
        """See `Sampler.describe`; whether it is preconditioned."""
        return super().describe() | {"preconditioned": self.preconditioned}

    @property
    def variables(self) -> list[keras.Variable]:
        """V, and the number of gradients."""
        return [*super().variables, *self._squares]
