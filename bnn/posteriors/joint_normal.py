"""What normal families with dependent weights have in common."""

from __future__ import annotations

import abc
import math
from typing import Any

import keras
import tensorflow as tf

from bnn.posteriors.posterior import Posterior


class JointNormal(Posterior):
    """q(w) = N(vec w; μ, Σ) for some parametrisation of Σ."""

    symmetric = True
    normal = True

    _loc: keras.Variable

    def add_mean(
        self,
        layer: keras.layers.Layer,
        name: str,
        initializer: Any,
        regularizer: Any,
        constraint: Any,
    ) -> keras.Variable:
        """The variable of μ, the family's first."""
        return self.add_variable(
            layer,
            f"{name}_loc",
            shape=self.shape,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
        )

    @property
    def mean(self) -> tf.Tensor:
        """μ."""
        self.shape  # noqa: B018  (raises the clear error before build)
        return tf.convert_to_tensor(self._loc)

    @abc.abstractmethod
    def half_log_det(self) -> tf.Tensor:
        """½ ln det Σ, scalar."""

    @property
    def size(self) -> int:
        """D."""
        return math.prod(self.shape)

    def normal_log_prob(self, squares: tf.Tensor, half_log_det: tf.Tensor) -> tf.Tensor:
        """−½ (w − μ)ᵀ Σ⁻¹ (w − μ) − ½ ln det Σ − D/2 ln 2π.

        Args:
          squares: (w − μ)ᵀ Σ⁻¹ (w − μ), scalar.
          half_log_det: ½ ln det Σ, scalar.
        """
        return -0.5 * squares - half_log_det - 0.5 * self.size * math.log(2 * math.pi)

    def entropy(self) -> tf.Tensor:
        """D/2 ln 2πe + ½ ln det Σ, scalar."""
        return 0.5 * self.size * math.log(2 * math.pi * math.e) + self.half_log_det()
