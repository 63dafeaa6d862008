"""What all methods share: they differ by one object and by nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from bnn.likelihoods import Likelihood
from bnn.likelihoods.logits import require_logits


@dataclasses.dataclass(frozen=True)
class Problem:
    """A model, a likelihood and how many examples there are; handed to `Method.build`.

    Attributes:
      model: built Keras model.
      likelihood: p(y | outputs), built.
      num_train: N.
      total_steps: of the whole training, for schedules.
      seed: of all noise.
      optimizer: Keras optimizer with its learning rate; None for methods that have no use for one.
      jit_compile: compile with XLA; False for models that are faster, or only run, without.
      make_model: builds another model like the first, for methods that train several.
    """

    model: keras.Model
    likelihood: Likelihood
    num_train: int
    total_steps: int
    seed: Any
    optimizer: keras.optimizers.Optimizer | None = None
    jit_compile: bool = True
    make_model: Callable[[], keras.Model] | None = None

    def __post_init__(self) -> None:
        require_logits(self.likelihood, self.model)

    @property
    def trained(self) -> list[keras.Variable]:
        """The variables that training may change: the model's, the priors' and the likelihood's."""
        return [*self.model.trainable_variables, *self.likelihood.trainable_variables]
