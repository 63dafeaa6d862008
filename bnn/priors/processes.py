"""Gaussian processes: laws of functions, for priors that are chosen by their functions."""

from __future__ import annotations

import abc

import gin
import tensorflow as tf

from bnn.noise import Noise
from bnn.priors.prior import require_positive

# Added to the diagonal, as a share of its mean: float32 has no Cholesky factor of two rows that are
# nearly equal.
_JITTER = 1e-5


class Process(abc.ABC):
    """A Gaussian process of mean zero: f(x) ~ N(0, k(x, x'))."""

    @abc.abstractmethod
    def covariance(self, inputs: tf.Tensor) -> tf.Tensor:
        """k(x, x') of inputs `[M, F]`, float32, `[M, M]`."""

    def sample(self, inputs: tf.Tensor, count: int, noise: Noise) -> tf.Tensor:
        """Values of `count` independent functions at inputs `[M, F]`, `[count, M]`."""
        covariance = self.covariance(inputs)
        size = covariance.shape[0]
        jitter = _JITTER * tf.linalg.trace(covariance) / size
        root = tf.linalg.cholesky(covariance + jitter * tf.eye(size))
        return tf.matmul(noise.normal([count, size]), root, transpose_b=True)


@gin.register(module="bnn.priors")
class SquaredExponential(Process):
    """k(x, x') = s² exp(−‖x − x'‖² / 2ℓ²): smooth functions of size s that bend within ℓ.

    Args:
      scale: s, positive.
      length_scale: ℓ, in units of the inputs, positive.
    """

    def __init__(self, scale: float = 1.0, length_scale: float = 1.0) -> None:
        self.scale = require_positive("scale", scale)
        self.length_scale = require_positive("length_scale", length_scale)

    def covariance(self, inputs: tf.Tensor) -> tf.Tensor:
        """As above."""
        gaps = tf.reduce_sum(tf.square(inputs[:, tf.newaxis] - inputs), axis=-1)
        return self.scale**2 * tf.exp(-0.5 * gaps / self.length_scale**2)
