"""Cholesky factors as variables: a strictly lower part and the logarithms of the diagonal."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from bnn.posteriors.posterior import Posterior


class TriangularFactor(NamedTuple):
    """A lower triangular matrix with a positive diagonal.

    Attributes:
      lower: `[n, n]`, of which the strictly lower part counts.
      log_diagonal: `[n]`.
    """

    lower: keras.Variable
    log_diagonal: keras.Variable

    def matrix(self) -> tf.Tensor:
        """L, float32, `[n, n]`."""
        lower = tf.convert_to_tensor(self.lower)
        strict = tf.linalg.band_part(lower, -1, 0) - tf.linalg.band_part(lower, 0, 0)
        return strict + tf.linalg.diag(tf.exp(tf.convert_to_tensor(self.log_diagonal)))

    def log_det(self) -> tf.Tensor:
        """Ln det L, scalar."""
        return tf.reduce_sum(tf.convert_to_tensor(self.log_diagonal))


def add_triangular(
    posterior: Posterior, layer: keras.layers.Layer, name: str, size: int, log_scale: float
) -> TriangularFactor:
    """The variables of a factor that starts as exp(log_scale) I.

    Args:
      posterior: owns them.
      layer: as in `Posterior.add_variable`.
      name: of the factor, unique in the layer.
      size: n.
      log_scale: logarithm of the diagonal at the start.
    """
    lower = posterior.add_variable(layer, name, shape=(size, size), initializer="zeros")
    start = keras.initializers.Constant(log_scale)
    diagonal = posterior.add_variable(
        layer, f"{name}_log_diagonal", shape=(size,), initializer=start
    )
    return TriangularFactor(lower, diagonal)
