"""Outputs drawn from the normals that moments give."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.noise import Noise, Purpose
from bnn.prediction.inputs import leaves
from bnn.predictive.moments import has_covariance, propagate, propagate_covariance

CLASSES = 3  # the likeliest, of which covariances are carried on
_BITS = 30  # of a coordinate of a point
_MOST_SOBOL = 21_201  # dimensions of which SciPy has direction numbers
_FEW = 16  # outputs of which the factor is written out
_SMALLEST = 1e-20
_JITTER = 1e-6  # of an output's variance, where a covariance has no inverse


def sampled_outputs(
    model: keras.Model, rows: Any, points: tf.Tensor, covariance: bool, most: int | None = None
) -> tf.Tensor:
    """Outputs `[S, B, K]` of a block of inputs: mean + L ε with L Lᵀ the covariance, or √variance.

    ε is the same for all inputs, so that what is said of one does not depend on the others. Not
    samples of functions: outputs of two inputs are no two values of one.

    Args:
      model: of layers that `require_served` has let pass.
      rows: one input `[B, …]`.
      points: ε, `[S, 1, …]`, see `normal_points`.
      covariance: carry covariances on where `has_covariance`, else variances alone.
      most: of so many outputs, see `propagate_covariance`.
    """
    [x] = (tf.cast(leaf, tf.float32) for leaf in leaves(rows))
    if not covariance or not has_covariance(model):
        mean, variance = propagate(model, x)
        return mean + tf.sqrt(variance) * points
    return _moved(*propagate_covariance(model, x, most), points)


@tf.function(autograph=False, jit_compile=True)
def _moved(mean: tf.Tensor, covariance: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Mean + L ε with Cholesky's L of the outputs in the order of their means.

    The first coordinates of the points are the most even, and the likeliest classes decide.
    """
    size = mean.shape[-1]
    order = tf.one_hot(tf.argsort(mean, axis=1, direction="DESCENDING"), size)
    ordered = tf.matmul(tf.matmul(order, covariance), order, transpose_b=True)
    scales = tf.linalg.diag_part(ordered)
    if size > _FEW:
        factor = tf.linalg.cholesky(ordered + tf.linalg.diag(_JITTER * scales + _SMALLEST))
    else:
        factor = _columns(ordered, _JITTER * scales)
    factor = tf.matmul(order, factor, transpose_a=True)
    flat = tf.reshape(
        tf.matmul(points[:, 0], tf.reshape(factor, [-1, size]), transpose_b=True),
        [-1, tf.shape(mean)[0], size],
    )
    return mean + flat


def _columns(covariance: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    """Cholesky's factor column by column, all inputs at once."""
    columns: list[tf.Tensor] = []
    size = covariance.shape[-1]
    for j in range(size):
        column = covariance[:, :, j]
        for before in columns:
            column -= before * before[:, j : j + 1]
        pivot = tf.maximum(column[:, j : j + 1], least[:, j : j + 1])
        below = tf.constant([float(i >= j) for i in range(size)])
        columns.append(below * tf.math.divide_no_nan(column, tf.sqrt(pivot)))
    return tf.stack(columns, axis=2)


def normal_points(num_samples: int, shape: tuple[int, ...], seed: Any) -> tf.Tensor:
    """Standard normal points `[S, 1, …]`, float32: Sobol's sequence, moved by a digital shift.

    Every coordinate's bits are crossed with random ones (L'Ecuyer & Lemieux 2002), so that each
    point is uniform and a mean over them unbiased, with an error that falls nearly as 1/S; then
    Φ⁻¹. Independent points beyond the dimensions that SciPy has direction numbers of.
    """
    from scipy.special import ndtri  # which `import bnn` need not wait for
    from scipy.stats.qmc import Sobol

    noise = Noise(seed, purpose=Purpose.PREDICTION)
    size = int(np.prod(shape))
    if size > _MOST_SOBOL:
        return noise.normal((num_samples, 1, *shape))
    whole = 1 << (num_samples - 1).bit_length()  # SciPy warns of other numbers
    places = Sobol(size, scramble=False, bits=_BITS).random(whole)[:num_samples]
    shift = noise.bits((size,)).numpy() >> (32 - _BITS)
    moved = (places * 2**_BITS).astype(np.int64) ^ shift.astype(np.int64)
    normals = ndtri((moved + 0.5) / 2**_BITS).reshape(num_samples, 1, *shape)
    return tf.constant(normals, tf.float32)
