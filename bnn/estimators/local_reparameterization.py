"""The local reparameterization trick: sample outputs, not weights."""

from __future__ import annotations

import gin
import tensorflow as tf

from bnn.estimators.estimator import Estimate, Estimator
from bnn.noise import Noise
from bnn.operators import Operator
from bnn.posteriors import Posterior

# Below this a variance counts as zero: its root is 1e-18, far under float32 resolution of outputs.
_TINY = 1e-36


@gin.register(module="bnn.estimators")
class LocalReparameterization(Estimator):
    """y = m + √v ε, m = op(x, μ), v = op(x², σ²), ε ~ N(0, 1) per output (Kingma et al. 2015).

    Exact for each output of a factorised normal posterior. Independent noise across examples makes
    the gradient's variance fall as 1/B. Limits: outputs at several positions that share weights
    (convolutions) are exact only marginally, their covariance is ignored; and the outputs of a
    batch are not one function of the inputs, so joint predictions need coherent draws.
    """

    couples_examples = False
    couples_positions = False

    def unfit(self, posterior: Posterior) -> str | None:
        """Needs independent normal elements."""
        if not (posterior.factorized and posterior.normal):
            return "it needs a posterior whose elements are independent and normal"
        return None

    def estimate(
        self, operator: Operator, inputs: tf.Tensor, posterior: Posterior, noise: Noise
    ) -> Estimate:
        """Outputs with per-example noise; no score."""
        mean = operator(inputs, posterior.mean)
        variance = operator.variance(inputs, posterior.variance)
        stddev = tf.cast(safe_sqrt(variance), mean.dtype)
        shape = [n if n is not None else tf.shape(mean)[i] for i, n in enumerate(mean.shape)]
        epsilon = noise.normal(shape, per_example=True)
        return Estimate(mean + stddev * tf.cast(epsilon, mean.dtype))


def safe_sqrt(variance: tf.Tensor) -> tf.Tensor:
    """√v with gradient 0 where v = 0, at which the root's own gradient is infinite.

    v is zero for an input row of zeros: then the output does not depend on σ, and 0 is the gradient
    of √(x² σ²) = |x| σ with respect to σ.
    """
    positive = variance > _TINY
    return tf.where(positive, tf.sqrt(tf.where(positive, variance, 1.0)), 0.0)
