"""What the two normal likelihoods share: density, moments and score of a normal."""

from __future__ import annotations

import abc
import math
from typing import Any

import tensorflow as tf

from bnn.likelihoods.columns import Columns, as_samples


class NormalRegression(Columns):
    """p(y | outputs) = ∏_d N(y_d; loc_d, scale_d²) with loc and scale given by `parameters`."""

    remedy = "repair or drop these rows, targets must be numbers"

    @abc.abstractmethod
    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Loc and scale, `[…, D]` each (a scale of all inputs `[D]`)."""

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """−½ ((y − loc)/scale)² − ln scale − ½ ln 2π."""
        loc, scale = parameters
        return -0.5 * ((y - loc) / scale) ** 2 - tf.math.log(scale) - 0.5 * math.log(2 * math.pi)

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """Loc."""
        return parameters[0]

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """Scale²."""
        return parameters[1] ** 2

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Φ((y − loc)/scale)."""
        loc, scale = parameters
        return 0.5 * tf.math.erfc((loc - y) / (scale * math.sqrt(2.0)))

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Loc + scale Φ⁻¹(q)."""
        loc, scale = parameters
        return loc + scale * tf.math.ndtri(tf.cast(q, loc.dtype))

    def components(
        self, samples: tf.Tensor, loc: Any = 0.0, scale: Any = 1.0
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of each sample's normal in the target's own units.

        Args:
          samples: outputs `[S, B, num_outputs]`.
          loc: mean that was subtracted from the targets, number or `[D]`.
          scale: positive number or `[D]` that the targets were divided by.

        Returns:
          Two float64 tensors `[S, B, D]`, in target units: float32 would be half a unit off for
          targets near 10⁷.
        """
        mixture = self.predictive(as_samples(type(self).__name__, samples), loc=loc, scale=scale)
        mean, stddev = mixture.parameters
        return mean * mixture.scale + mixture.loc, stddev * mixture.scale
