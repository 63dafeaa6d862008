"""Low rank plus diagonal: the normal family with a few shared directions."""

from __future__ import annotations

import math
from typing import Any

import gin
import keras
import tensorflow as tf

from bnn.posteriors.joint_normal import JointNormal
from bnn.posteriors.scales import Exponential, ScaleTransform
from bnn.posteriors.terms import Elementwise, LowRank, Term
from bnn.posteriors.validation import require_count, require_scale


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class LowRankNormal(JointNormal):
    """q(w) = N(vec w; μ, diag(σ²) + Σ_k u_k u_kᵀ), k = 1 … K.

    The family of SLANG (Mishkin et al. 2018) and ELRG (Tomczak, Swaroop & Turner 2020),
    by reparameterization w = μ + σ ε + Σ_k z_k u_k. (K + 2) D parameters for D weights. With
    V = diag(σ²), C = I + Uᵀ V⁻¹ U and c = C⁻¹ Uᵀ V⁻¹ (w − μ), the K × K forms of Woodbury and of
    the determinant lemma are

        ln det Σ = Σᵢ ln σᵢ² + ln det C,
        (w − μ)ᵀ Σ⁻¹ (w − μ) = ‖(w − μ − U c) / σ‖² + ‖c‖²,

    the second without the cancellation of Woodbury's difference. Every estimator serves it; under
    local reparameterization the positions of an example share z, and are coupled through it.

    Args:
      rank: K, at least 1.
      initial_scale: σ of every element at the start, positive. The factors begin as independent
        normal numbers of standard deviation initial_scale / √K: at zero they would have no
        gradient.
      scale_transform: the map from ρ to σ; `Exponential()` where None.
    """

    def __init__(
        self,
        rank: int = 4,
        initial_scale: float = 0.02,
        scale_transform: ScaleTransform | None = None,
    ) -> None:
        self.rank = require_count("rank", rank)
        self.initial_scale = require_scale(initial_scale)
        self.scale_transform = scale_transform if scale_transform is not None else Exponential()

    def _build(self, layer: keras.layers.Layer, name: str, **options: Any) -> None:
        self.add_mean(layer, name, **options)
        start = self.scale_transform.inverse(self.initial_scale)
        self._unconstrained_scale = self.add_variable(
            layer,
            f"{name}_unconstrained_scale",
            shape=self.shape,
            initializer=keras.initializers.Constant(start),
        )
        spread = self.initial_scale / math.sqrt(self.rank)
        self._factors = self.add_variable(
            layer,
            f"{name}_factors",
            shape=(self.rank, *self.shape),
            initializer=keras.initializers.RandomNormal(stddev=spread),
        )

    @property
    def scale(self) -> tf.Tensor:
        """σ, of the independent part, float32, of the tensor's shape."""
        self.shape  # noqa: B018  (raises the clear error before build)
        return self.scale_transform(tf.convert_to_tensor(self._unconstrained_scale))

    @property
    def factors(self) -> tf.Tensor:
        """u_k, float32, `[K, *shape]`."""
        self.shape  # noqa: B018
        return tf.convert_to_tensor(self._factors)

    @property
    def terms(self) -> tuple[Term, ...]:
        """σ ε, then Σ_k z_k u_k."""
        independent = Elementwise(
            lambda noise: self.scale * noise.normal(self.shape), lambda: tf.square(self.scale)
        )
        return (independent, LowRank(self.factors))

    @property
    def variance(self) -> tf.Tensor:
        """σ² + Σ_k u_k²."""
        return tf.square(self.scale) + tf.reduce_sum(tf.square(self.factors), axis=0)

    def covariance(self) -> tf.Tensor:
        """diag(σ²) + Σ_k u_k u_kᵀ, `[D, D]`."""
        factors = self._flat_factors()
        independent = tf.linalg.diag(tf.reshape(tf.square(self.scale), [-1]))
        return independent + tf.matmul(factors, factors, transpose_a=True)

    def shared_covariance(self) -> tf.Tensor:
        """Σ_k u_k u_kᵀ, `[D, D]`: an example has one z."""
        factors = self._flat_factors()
        return tf.matmul(factors, factors, transpose_a=True)

    def _flat_factors(self) -> tf.Tensor:
        return tf.reshape(self.factors, [self.rank, -1])

    def _whitened(self) -> tuple[tf.Tensor, tf.Tensor]:
        """U / σ, `[K, D]`, and the Cholesky factor of C, `[K, K]`."""
        relative = self._flat_factors() / tf.reshape(self.scale, [-1])
        capacitance = tf.eye(self.rank) + tf.matmul(relative, relative, transpose_b=True)
        return relative, tf.linalg.cholesky(capacitance)

    def _half_log_det(self, root: tf.Tensor) -> tf.Tensor:
        log_scale = self.scale_transform.log(tf.convert_to_tensor(self._unconstrained_scale))
        return tf.reduce_sum(log_scale) + tf.reduce_sum(tf.math.log(tf.linalg.diag_part(root)))

    def half_log_det(self) -> tf.Tensor:
        """½ ln det Σ."""
        return self._half_log_det(self._whitened()[1])

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """By the K × K forms."""
        relative, root = self._whitened()
        deviation = tf.reshape((weights - self.mean) / self.scale, [-1, 1])
        coefficients = tf.linalg.cholesky_solve(root, tf.matmul(relative, deviation))
        rest = deviation - tf.matmul(relative, coefficients, transpose_a=True)
        squares = tf.reduce_sum(tf.square(rest)) + tf.reduce_sum(tf.square(coefficients))
        return self.normal_log_prob(squares, self._half_log_det(root))

    def get_config(self) -> dict:
        """Keras configuration."""
        return {
            "rank": self.rank,
            "initial_scale": self.initial_scale,
            "scale_transform": keras.saving.serialize_keras_object(self.scale_transform),
        }

    @classmethod
    def from_config(cls, config: dict) -> LowRankNormal:
        """The description that `get_config` gave."""
        transform = keras.saving.deserialize_keras_object(config["scale_transform"])
        return cls(config["rank"], config["initial_scale"], transform)
