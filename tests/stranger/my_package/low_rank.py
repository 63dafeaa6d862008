"""A posterior: a normal with low-rank covariance, as a mean plus two terms."""

import gin
import keras
import tensorflow as tf

from bnn.posteriors import Elementwise, LowRank, Posterior


@keras.saving.register_keras_serializable(package="my_package")
@gin.register(module="my_package")
class LowRankNormal(Posterior):
    """q(w) = N(μ, diag σ² + Σ_k U_k U_kᵀ), σ = exp ρ (Mishkin et al. 2018).

    Its terms say how it passes an operator: every estimator serves it, local reparameterization and
    Flipout included. It has no distribution in closed form here; the ledger samples its KL.

    Args:
      rank: K.
      initial_scale: σ at the start; the factors begin at a tenth of it.
    """

    def __init__(self, rank=2, initial_scale=0.05):
        self.rank, self.initial_scale = rank, initial_scale

    def _build(self, layer, name, **options):
        scale = keras.initializers.Constant(float(tf.math.log(self.initial_scale)))
        factors = keras.initializers.RandomNormal(stddev=0.1 * self.initial_scale, seed=0)
        self.add_mean(layer, name, **options)
        self._log_scale = self.add_variable(
            layer, f"{name}_log_scale", self.shape, initializer=scale
        )
        self._factors = self.add_variable(
            layer, f"{name}_factors", (self.rank, *self.shape), initializer=factors
        )

    @property
    def terms(self):
        factors = tf.convert_to_tensor(self._factors)
        return (Elementwise(self._diagonal, lambda: self._scale**2), LowRank(factors))

    @property
    def variance(self):
        return tf.add_n([term.variance() for term in self.terms])

    @property
    def _scale(self):
        return tf.exp(tf.convert_to_tensor(self._log_scale))

    def _diagonal(self, noise):
        return self._scale * noise.normal(self.shape)

    def log_prob(self, weights):
        """ln N(w; μ, D + U Uᵀ) by the lemmas of Woodbury and Sylvester, K × K."""
        factors = tf.reshape(tf.convert_to_tensor(self._factors), [self.rank, -1])
        scale = tf.reshape(self._scale, [-1])
        whitened = factors / scale
        inner = tf.eye(self.rank) + tf.matmul(whitened, whitened, transpose_b=True)
        z = tf.reshape(weights - self.mean, [-1]) / scale
        projected = tf.linalg.matvec(whitened, z)
        solved = tf.linalg.solve(inner, projected[:, tf.newaxis])[:, 0]
        square = tf.reduce_sum(z**2) - tf.reduce_sum(projected * solved)
        log_det = 2 * tf.reduce_sum(tf.math.log(scale)) + tf.linalg.logdet(inner)
        size = tf.cast(tf.size(z), tf.float32)
        return -0.5 * (square + log_det + size * 1.8378770664)

    def entropy(self):
        raise NotImplementedError("sampled by the ledger")

    def get_config(self):
        return {"rank": self.rank, "initial_scale": self.initial_scale}
