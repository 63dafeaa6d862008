"""Draws of a normal whose covariance is diagonal plus low rank over all weights of a model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf

from bnn.compat import substituted
from bnn.noise import Noise, Purpose
from bnn.prediction import Functions
from bnn.prediction.functions import as_seed, check_num_samples

# Tells the numbers that all tensors share, of the low-rank part, from those of one tensor's own.
_SHARED = 1


class LowRankDraws(Functions):
    """w = mean + scale ∘ z₁ + Σ_k columns_k z₂ₖ, z₂ shared by all variables.

    Args:
      variables: of the model.
      means: of each variable, of its shape.
      scales: of each variable, of its shape.
      columns: of each variable, `[K, …]`.
      num_samples: S.
      seed: int or scalar integer tensor.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        means: Sequence[tf.Tensor],
        scales: Sequence[tf.Tensor],
        columns: Sequence[tf.Tensor],
        num_samples: int,
        seed: Any,
    ) -> None:
        self.variables = list(variables)
        self.num_samples, seed = check_num_samples(num_samples), as_seed(seed)
        parts = {"means": list(means), "scales": list(scales), "columns": list(columns)}
        self.arguments = {"seed": seed, **parts}

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """The variables read as those of one draw."""
        noise = Noise(arguments["seed"], purpose=Purpose.PREDICTION, sample=sample)
        of_tensors = zip(
            self.variables,
            arguments["means"],
            arguments["scales"],
            arguments["columns"],
            strict=True,
        )
        values = []
        for number, (variable, mean, scale, columns) in enumerate(of_tensors):
            shared = noise.at(part=_SHARED).normal([columns.shape[0]])
            own = noise.at(site=number).normal(variable.shape)
            value = mean + scale * own + tf.tensordot(shared, columns, 1)
            values.append(tf.cast(value, variable.dtype))
        return substituted(zip(self.variables, values, strict=True))

    @property
    def key(self) -> Hashable:
        """The variables."""
        return (LowRankDraws, *(id(v) for v in self.variables))
