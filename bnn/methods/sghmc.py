"""Stochastic-gradient Hamiltonian Monte Carlo."""

from __future__ import annotations

from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.methods.problem import Problem
from bnn.methods.sampler import Sampler
from bnn.noise import Noise
from bnn.schedules import Schedule


@gin.register(module="bnn.methods")
class SGHMC(Sampler):
    """m ← β m − h ∇U(w) + √(2 (1 − β) T) ξ, then w ← w + h m, with h = √(ℓ / N).

    Chen et al. 2014, equation 13, as the symplectic Euler scheme of Wenzel et al. 2020 (algorithm 1
    with mass 1): U = −log p(w, y), ∇U is N times the gradient per example, from a batch. ℓ is the
    learning rate of SGD with momentum β on the loss per example; friction times h is 1 − β. The law
    of w is p(w | y)^(1/T) for ℓ → 0, at any β. At a finite ℓ variances are too large: in a
    direction of curvature λ (of U / N) by the factor f = 1 / (1 − ℓ λ / (2 + 2 β)), and, where the
    gradient ∇U has variance C, by 1 + ℓ C / (2 N (1 − β) T).

    Every step says two temperatures (Wenzel et al. 2020, appendix I; D weights):

        kinetic          ((1 + β) / 2) mᵀm / D
        configurational  wᵀ∇U(w) / D

    The factor is because the scheme's own mean of mᵀm / D is 2 T / (1 + β) for ℓ → 0. The mean of
    both is T then; of a normal posterior, with the whole gradient, T times the mean of f. Above T
    they say that the step is too large or the gradient too noisy; a configurational one far from T
    for long, that the chain has not arrived. In the descent before it both are 0.

    Args:
      step_size: ℓ, a number or a schedule over the progress of training; `@CosineCycles()` is
        cyclical SGHMC (Zhang et al. 2020).
      momentum: β, at least 0 and below 1.
      temperature: T.
      warm_start: share of the steps that the run's optimizer takes first, where it has one.
      burn_in: share of the steps before the first sample.
      thinning: steps from one sample to the next; where None, what keeps about a hundred.
    """

    averaged = ("nll", "kinetic_temperature", "configurational_temperature")
    measures = ("kinetic_temperature", "configurational_temperature")

    def __init__(
        self,
        step_size: float | Schedule = 0.01,
        *,
        momentum: float = 0.9,
        temperature: float = 1.0,
        warm_start: float = 0.3,
        burn_in: float = 0.5,
        thinning: int | None = None,
    ) -> None:
        super().__init__(step_size, temperature, warm_start, burn_in, thinning)
        if not 0 <= momentum < 1:
            raise ValueError(
                f"momentum must be at least 0 and below 1, got {momentum}; 0.9 is usual."
            )
        self.momentum = float(momentum)

    def create(self, problem: Problem) -> None:
        """Momenta, which begin at 0."""
        del problem
        self._momenta = [
            keras.Variable(tf.zeros(w.shape), trainable=False, name=f"momentum_{i}")
            for i, w in enumerate(self.weights)
        ]
        self._size = sum(int(tf.size(w)) for w in self.weights)

    def move(self, slopes: list[tf.Tensor], noise: Noise) -> list[tf.Tensor]:
        """The update; its two temperatures."""
        num_train = self.problem.num_train
        h = tf.sqrt(self.step_size(self.progress(noise)) / num_train)
        kick = tf.sqrt(2.0 * (1.0 - self.momentum) * self.heat(noise))
        squares, virial = [], []
        for number, (weight, slope) in enumerate(zip(self.weights, slopes, strict=True)):
            force = num_train * slope
            virial.append(tf.reduce_sum(weight * force))
            moved = self.momentum * self._momenta[number] - h * force
            moved += kick * self.normal(noise, number)
            self._momenta[number].assign(moved)
            weight.assign_add(h * moved)
            squares.append(tf.reduce_sum(tf.square(moved)))
        kinetic = 0.5 * (1.0 + self.momentum) * tf.add_n(squares) / self._size
        return [kinetic, tf.add_n(virial) / self._size]

    def describe(self) -> dict[str, Any]:
        """See `Sampler.describe`; the momentum."""
        return super().describe() | {"momentum": self.momentum}

    @property
    def variables(self) -> list[keras.Variable]:
        """Momenta, and the number of gradients."""
        return [*super().variables, *self._momenta]
