"""The normal likelihood of target columns whose noise is correlated."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.likelihoods.columns import Columns
from bnn.likelihoods.heteroscedastic_normal import HeteroscedasticNormal
from bnn.likelihoods.learned import check_positive

_MARGINAL = HeteroscedasticNormal()


@keras.saving.register_keras_serializable(package="bnn.likelihoods")
@gin.register(module="bnn.likelihoods")
class MultivariateNormal(Columns):
    """p(y | outputs) = N(y; m, L Lᵀ), outputs = (m, L) `[B, D + D (D + 1)/2]`, L lower triangular.

    The triangle is filled row by row (Dorta et al. 2018 predict covariances so); its diagonal is
    softplus(raw) + min_scale. Moments, quantiles and CRPS are those of the columns; `log_prob` and
    `sample` know the correlations.

    Args:
      min_scale: smallest diagonal element, positive, in the units that the model is trained in.
    """

    def __init__(self, min_scale: float = 1e-3) -> None:
        self.min_scale = check_positive("min_scale", min_scale)

    def num_outputs(self, num_targets: int) -> int:
        """D + D (D + 1)/2: means and the triangle."""
        return num_targets + num_targets * (num_targets + 1) // 2

    def num_columns(self, num_outputs: int | None) -> int | None:
        """D, for D (D + 3)/2 outputs."""
        if num_outputs is None:
            raise ValueError("MultivariateNormal needs a known number of outputs, got None.")
        width = (math.isqrt(9 + 8 * num_outputs) - 3) // 2
        if width < 1 or self.num_outputs(width) != num_outputs:
            raise ValueError(
                "MultivariateNormal needs D + D (D + 1)/2 outputs for D target columns, 2, 5, 9 …, "
                f"got {num_outputs}; size the last layer with num_outputs(num_targets)."
            )
        return width

    def parameters(self, outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Mean `[…, D]`, standard deviation `[…, D]` and L `[…, D, D]`."""
        width = self.num_columns(outputs.shape[-1])
        assert width is not None
        mean, raw = outputs[..., :width], outputs[..., width:]
        places = [row * (row + 1) // 2 + column for row in range(width) for column in range(width)]
        lower = [float(column < row) for row in range(width) for column in range(width)]
        shape = tf.concat([tf.shape(mean), [width]], axis=0)
        picked = tf.gather(raw, [min(p, raw.shape[-1] - 1) for p in places], axis=-1)
        strict = tf.reshape(picked * tf.constant(lower, raw.dtype), shape)
        diagonal = [row * (row + 3) // 2 for row in range(width)]
        positive = tf.math.softplus(tf.gather(raw, diagonal, axis=-1)) + self.min_scale
        factor = strict + tf.linalg.diag(positive)
        return mean, tf.norm(factor, axis=-1), factor

    def log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Of one column: log N(y_d; m_d, (L Lᵀ)_dd)."""
        return _MARGINAL.log_density(y, *parameters[:2])

    def joint_log_density(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """−½ |L⁻¹ (y − m)|² − Σ ln L_dd − D/2 ln 2π."""
        mean, _, factor = parameters
        residual = (y - mean)[..., tf.newaxis]
        z = tf.linalg.triangular_solve(factor, residual)[..., 0]
        log_diagonal = tf.math.log(tf.linalg.diag_part(factor))
        return -tf.reduce_sum(0.5 * z**2 + log_diagonal + 0.5 * math.log(2 * math.pi), axis=-1)

    def mean(self, *parameters: tf.Tensor) -> tf.Tensor:
        """The mean."""
        return parameters[0]

    def variance(self, *parameters: tf.Tensor) -> tf.Tensor:
        """The diagonal of L Lᵀ."""
        return parameters[1] ** 2

    def cdf(self, y: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Of one column."""
        return _MARGINAL.cdf(y, *parameters[:2])

    def quantile(self, q: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Of one column."""
        return _MARGINAL.quantile(q, *parameters[:2])

    def draw(self, uniform: tf.Tensor, *parameters: tf.Tensor) -> tf.Tensor:
        """Mean plus L z with z = Φ⁻¹(uniform)."""
        return parameters[0] + tf.linalg.matvec(parameters[2], tf.math.ndtri(uniform))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"min_scale": self.min_scale}
