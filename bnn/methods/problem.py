"""What all methods share: they differ by one object and by nothing else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras

from bnn.likelihoods import Likelihood
from bnn.likelihoods.logits import require_logits

_MOST_MODELS, _MOST_NUMBERS = 10_000, 2**33


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


def check_models(problem: Problem, argument: str, count: int) -> None:
    """Raises ValueError for more models than can be built and held, before the first is built.

    Args:
      problem: whose model they are like.
      argument: that says how many, for the message.
      count: how many.
    """
    size = sum(math.prod(v.shape) for v in problem.model.variables)
    most = max(1, min(_MOST_MODELS, _MOST_NUMBERS // max(1, size)))
    if count > most:
        raise ValueError(
            f"{argument} must be at most {most} for a model of {size} numbers, as each begins with "
            f"a model of its own and all are held at once, got {count}; lower it."
        )
