"""Outputs drawn from the normals that moments give."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.likelihoods import Categorical, Likelihood
from bnn.noise import Noise, Purpose
from bnn.prediction.inputs import leaves
from bnn.predictive.moments import Leading, has_covariance, propagate, propagate_leading

_CLASSES = 3  # the likeliest, of which covariances are carried on
_BITS = 30  # of a coordinate of a point
_MOST_SOBOL = 21_201  # dimensions of which SciPy has direction numbers
_FEW = 16  # outputs of which the factor is written out
_SMALLEST = 1e-20
_JITTER = 1e-6  # of an output's variance, where a covariance has no inverse


class MomentSamples:
    """Outputs `[S, B, K]` of a block of inputs: mean + L ε with L Lᵀ the covariance, or √variance.

    ε is the same for all inputs, so that what is said of one does not depend on the others. Not
    samples of functions: outputs of two inputs are no two values of one.

    Args:
      model: of layers that `require_served` lets pass.
      likelihood: of classes, covariances of the three likeliest alone are carried on; of a
        softmax, those of their differences.
      num_samples: S.
      seed: of ε, see `normal_points`.
      covariance: carry covariances on where `has_covariance`, else variances alone.
    """

    def __init__(
        self,
        model: keras.Model,
        likelihood: Likelihood,
        num_samples: int,
        seed: Any,
        covariance: bool,
    ) -> None:
        shape = tuple(model.outputs[0].shape[1:])
        self._model, self._most, self._relative = model, 0, False
        if covariance and has_covariance(model):
            [size] = shape
            self._most = min(_CLASSES, size) if likelihood.task == "classification" else size
            self._relative = isinstance(likelihood, Categorical) and size > 1
            shape = (size - self._relative,)
        self._points = normal_points(num_samples, shape, seed)

    def __call__(self, rows: Any) -> tf.Tensor:
        """Of one input `[B, …]`."""
        [x] = (tf.cast(leaf, tf.float32) for leaf in leaves(rows))
        if not self._most:
            mean, variance = propagate(self._model, x)
            return mean + tf.sqrt(variance) * self._points
        leading = propagate_leading(self._model, x, self._most, self._relative)
        return _drawn(leading, self._points)


@tf.function(autograph=False, jit_compile=True)
def _drawn(leading: Leading, points: tf.Tensor) -> tf.Tensor:
    """Mean + L ε, with Cholesky's L of the chosen outputs, and √variance of the others.

    The first coordinates of the points are the most even, and the likeliest classes decide.
    """
    mean, chosen, others, block, variance = leading
    scales = tf.linalg.diag_part(block)
    if chosen.shape[1] > _FEW:
        factor = tf.linalg.cholesky(block + tf.linalg.diag(_JITTER * scales + _SMALLEST))
    else:
        factor = _columns(block, _JITTER * scales)
    moves = tf.einsum("bkj,bkc->jbc", factor, chosen)
    alone = tf.transpose(others * tf.sqrt(variance)[:, tf.newaxis], [1, 0, 2])
    moves = tf.reshape(tf.concat([moves, alone], axis=0), [points.shape[2], -1])
    return mean + tf.reshape(tf.matmul(points[:, 0], moves), [-1, *tf.unstack(tf.shape(mean))])


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
    point is uniform and the error of a mean falls nearly as 1/S; then Φ⁻¹. The second half is the
    first with its signs changed, and the first coordinates, at most S/8, are mapped to second
    moments of I: means and covariances of what is linear in them are exact (moment matching,
    Barraquand 1995). Independent points in place of Sobol's beyond the dimensions that SciPy has
    direction numbers of.
    """
    from scipy.special import ndtri  # which `import bnn` need not wait for
    from scipy.stats.qmc import Sobol

    noise = Noise(seed, purpose=Purpose.PREDICTION)
    half, size = (num_samples + 1) // 2, int(np.prod(shape))
    if size > _MOST_SOBOL:
        normals = noise.normal((half, 1, *shape))
    else:
        whole = 1 << (half - 1).bit_length()  # SciPy warns of other numbers
        places = Sobol(size, scramble=False, bits=_BITS).random(whole)[:half]
        shift = noise.bits((size,)).numpy() >> (32 - _BITS)
        moved = (places * 2**_BITS).astype(np.int64) ^ shift.astype(np.int64)
        values = ndtri((moved + 0.5) / 2**_BITS)
        few = values[:, : half // 4]  # more would be stretched far where they nearly depend
        few[:] = np.linalg.solve(np.linalg.cholesky(few.T @ few / half), few.T).T
        normals = tf.constant(values.reshape(half, 1, *shape), tf.float32)
    return tf.concat([normals, -normals], axis=0)[:num_samples]
