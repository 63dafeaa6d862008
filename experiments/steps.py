"""Compiled training steps of one model by one estimator, as every run has them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from bnn.data import Batch, Batches, ResidentBatches
from bnn.estimators import Estimator
from bnn.noise import Noise
from bnn.objectives import NegativeELBO
from bnn.training import Descent, Info, TrainingSteps


def training_steps(
    model: keras.Model,
    objective: NegativeELBO,
    estimator: Estimator,
    data: tuple[np.ndarray, np.ndarray],
    optimizer: keras.optimizers.Optimizer,
    *,
    batch_size: int,
    seed: Any = 0,
    trained: list[keras.Variable] | None = None,
    batches: Batches | None = None,
    **options: Any,
) -> TrainingSteps:
    """The steps of a run.

    Args:
      model: the network.
      objective: the loss.
      estimator: of its gradient.
      data: inputs and targets.
      optimizer: of all trained variables.
      batch_size: examples of a step.
      seed: of noise and data order; an integer, or a variable that changes between calls.
      trained: variables; the model's where None.
      batches: of the examples; of `data`, on the device, where None.
      **options: `steps_per_call` and `jit_compile`.
    """

    def loss(batch: Batch, noise: Noise) -> Info:
        terms = objective(model, batch.inputs, batch.targets, estimator=estimator, noise=noise)
        return Info(terms.loss, {"nll": terms.nll, "kl": terms.kl})

    variables = model.trainable_variables if trained is None else trained
    if batches is None:
        batches = ResidentBatches(*data, batch_size=batch_size, seed=seed)
    descent = Descent(loss, optimizer, variables)
    return TrainingSteps(descent, batches, seed, **options)
