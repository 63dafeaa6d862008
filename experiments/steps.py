"""Compiled training steps of one model by one estimator, as every run has them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.data import batch_indices
from bnn.estimators import Estimator
from bnn.objectives import NegativeELBO
from bnn.training import TrainingSteps


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
      **options: `steps_per_call` and `jit_compile`.
    """

    def loss(inputs: tf.Tensor, targets: tf.Tensor, step: tf.Tensor) -> Any:
        return objective(model, inputs, targets, estimator=estimator, seed=seed, step=step)

    def indices(steps: tf.Tensor) -> tf.Tensor:
        return batch_indices(steps, batch_size=batch_size, num_train=len(data[0]), seed=seed)

    variables = model.trainable_variables if trained is None else trained
    return TrainingSteps(loss, indices, *data, optimizer, variables, **options)
