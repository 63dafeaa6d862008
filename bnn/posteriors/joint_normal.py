"""What normal families with dependent weights have in common."""

from __future__ import annotations

import abc
import math

import tensorflow as tf

from bnn.posteriors.posterior import Posterior


class JointNormal(Posterior):
    """q(w) = N(vec w; μ, Σ) for some parametrisation of Σ."""

    symmetric = True
    normal = True

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
