"""What methods that descend share: the count of their gradients, and a penalised likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from bnn.data import Batch
from bnn.methods.cost import Cost
from bnn.methods.method import Method
from bnn.methods.problem import Problem
from bnn.noise import Noise
from bnn.objectives.checks import require_examples, require_kl_weight, require_weights
from bnn.training import Info, Reduce


class Counted(Method):
    """A method that counts the gradients of examples that its steps take.

    Stands before the method whose steps they are: `class SWA(Counted, MAP)`.
    """

    _cost: Cost

    @property
    def gradients_each(self) -> int:
        """Of every example of a step."""
        return 1

    def build(self, problem: Problem) -> None:
        """Creates the count."""
        super().build(problem)
        self._cost = Cost()

    def step(self, batch: Batch, noise: Noise, reduce: Reduce) -> Info:
        """The step, counted."""
        info = super().step(batch, noise, reduce)
        self._cost.add(batch, self.gradients_each)
        return info

    def cost(self) -> dict[str, Any]:
        """What results say of it."""
        return self._cost.describe(self.problem.num_train)

    @property
    def variables(self) -> list[keras.Variable]:
        """Carry: the number of gradients."""
        return [self._cost.examples]


def penalised(
    problem: Problem,
    fits: tf.Tensor,
    batch: Batch,
    terms: Mapping[str, tf.Tensor],
    *,
    total: str = "penalty",
    weight: Any = 1.0,
) -> Info:
    """L = −(1/B) Σ_b ω_b ℓ_b + λ Σ_i t_i / N + R(w), from a batch.

    Args:
      problem: with N and the model, whose Keras regularization losses are R.
      fits: ℓ, log-likelihoods or their expectations, `[B]`.
      batch: with ω, the examples' weights, 1 where it has none.
      terms: t, by the metrics' names, nats.
      total: what Σ t is called.
      weight: λ.

    Returns:
      The loss, and nll (nats per example), Σ t and the terms (nats).
    """
    require_examples(fits)
    fits, weights = tf.cast(fits, tf.float32), getattr(batch, "weights", None)
    if weights is not None:
        fits = fits * require_weights(weights, fits)
    nll = -tf.reduce_mean(fits)
    penalty = tf.add_n(list(terms.values())) if terms else tf.zeros([])
    loss = nll + require_kl_weight(weight) * penalty / problem.num_train
    if problem.model.losses:
        loss += tf.add_n(problem.model.losses)
    return Info(loss, {"nll": nll, total: penalty, **terms})
