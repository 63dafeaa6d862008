"""Mean field whose standard deviations are a matrix of low rank."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn import distributions as tfd
from bnn.noise import Noise
from bnn.posteriors.posterior import Posterior
from bnn.posteriors.validation import require_count, require_scale


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class KTiedNormal(Posterior):
    """q(w) = ∏ N(w_ij; μ_ij, σ_ij²), σ_ij = Σ_k u_ik v_jk (Swiatkowski et al. 2020).

    u and v are exponentials of variables, so that σ is positive. D + K (n + m) parameters for n
    rows, all axes of the tensor but the last, and m columns. Every estimator serves it.

    Args:
      rank: K, at least 1; the paper finds 2 to suffice.
      initial_scale: σ of every element at the start, positive; for K > 1 about that, for the
        columns of u and v must begin apart.
    """

    factorized = True
    symmetric = True
    normal = True

    def __init__(self, rank: int = 2, initial_scale: float = 0.02) -> None:
        self.rank = require_count("rank", rank)
        self.initial_scale = require_scale(initial_scale)

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)
        columns = self.shape[-1] if self.shape else 1
        rows = math.prod(self.shape) // max(columns, 1)
        start = 0.5 * math.log(self.initial_scale / self.rank)
        spread = 0.0 if self.rank == 1 else 0.1
        self._log_factors = tuple(
            self.add_variable(
                layer,
                f"{name}_log_{side}",
                shape=(size, self.rank),
                initializer=keras.initializers.RandomNormal(start, spread),
            )
            for side, size in (("rows", rows), ("columns", columns))
        )

    @property
    def scale(self) -> tf.Tensor:
        """Σ_k u_k v_kᵀ, float32, of the tensor's shape."""
        self.shape  # noqa: B018
        rows, columns = (tf.exp(tf.convert_to_tensor(v)) for v in self._log_factors)
        return tf.reshape(tf.matmul(rows, columns, transpose_b=True), self.shape)

    @property
    def log_scale(self) -> tf.Tensor:
        """Ln σ."""
        return tf.math.log(self.scale)

    @property
    def variance(self) -> tf.Tensor:
        """σ²."""
        return tf.square(self.scale)

    def distribution(self) -> tfd.Normal:
        """Normal(μ, σ)."""
        return tfd.Normal(self.mean, self.scale)

    def perturbation(self, noise: Noise) -> tf.Tensor:
        """σ ε with ε ~ N(0, 1)."""
        return self.scale * noise.normal(self.shape)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"rank": self.rank, "initial_scale": self.initial_scale}
