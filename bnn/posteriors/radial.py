"""The radial family: mean field directions at the distance of one normal number."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn import distributions as tfd
from bnn.noise import Noise
from bnn.posteriors.mean_field_normal import MeanFieldNormal
from bnn.posteriors.terms import Elementwise, Term

_RADIUS = 1
# The density is infinite at μ, where weights of a vanishing scale are rounded to: it is cut off.
_NEAREST = 1e-30
# E[ln |ε|] for ε ~ N(0, 1): −(γ + ln 2) / 2.
_LOG_RADIUS = -0.5 * (0.5772156649015329 + math.log(2))


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class Radial(MeanFieldNormal):
    """w = μ + σ ∘ (ε / ‖ε‖) ρ, ε ~ N(0, I), ρ = |N(0, 1)| (Farquhar, Osborne & Gal 2020).

    A normal ε in D dimensions has length √D; here the length is ρ, so that samples stay near μ
    however many weights the tensor has. The elements are uncorrelated and dependent; with
    x = (w − μ) / σ and S = 2 π^{D/2} / Γ(D/2), the area of the unit sphere,

        Var_q[w] = σ² / D
        ln q(w) = ½ ln(2/π) − ½ ‖x‖² − ln S − (D − 1) ln ‖x‖ − Σ ln σ
        H[q] = ½ ln(πe/2) + ln S + (D − 1) E[ln ρ] + Σ ln σ,   E[ln ρ] = −(γ + ln 2) / 2

    Flipping signs leaves q as it is, so that Flipout serves it. Outputs are no sums of independent
    terms: local reparameterization does not.

    Args:
      initial_scale: σ of every element at the start, positive: √D times the standard deviation.
      scale_transform: the map from ρ to σ; `Exponential()` where None.
    """

    factorized = False
    symmetric = True
    normal = False

    def initialise(self, mean: Any, scale: Any = None) -> None:
        """μ and, where a standard deviation is given, σ."""
        super().initialise(mean, None if scale is None else np.sqrt(self.size) * np.asarray(scale))

    @property
    def terms(self) -> tuple[Term, ...]:
        """The perturbation, whose law no sign changes."""
        return (Elementwise(self.perturbation, lambda: self.variance, normal=False),)

    @property
    def size(self) -> int:
        """D."""
        return math.prod(self.shape)

    @property
    def variance(self) -> tf.Tensor:
        """σ² / D."""
        return tf.square(self.scale) / self.size

    def covariance(self) -> tf.Tensor:
        """The variances on the diagonal: the elements are uncorrelated."""
        return tf.linalg.diag(tf.reshape(self.variance, [-1]))

    def distribution(self) -> tfd.Distribution:
        """None of TFP's.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("Radial is no distribution of TFP's.")

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """σ ∘ (ε / ‖ε‖) ρ."""
        epsilon = noise.normal(self.shape)
        radius = tf.abs(noise.normal([], _RADIUS))
        return self.scale * epsilon * radius * tf.math.rsqrt(tf.reduce_sum(tf.square(epsilon)))

    @property
    def _log_area(self) -> float:
        """Ln S."""
        half = 0.5 * self.size
        return math.log(2) + half * math.log(math.pi) - math.lgamma(half)

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """In polar coordinates."""
        squares = tf.reduce_sum(tf.square((weights - self.mean) / self.scale))
        squares = tf.maximum(squares, _NEAREST)
        radial = 0.5 * math.log(2 / math.pi) - 0.5 * squares
        angular = -self._log_area - 0.5 * (self.size - 1) * tf.math.log(squares)
        return radial + angular - tf.reduce_sum(self.log_scale)

    def entropy(self) -> tf.Tensor:
        """Closed form."""
        constant = 0.5 * math.log(0.5 * math.pi * math.e) + self._log_area
        return constant + (self.size - 1) * _LOG_RADIUS + tf.reduce_sum(self.log_scale)
