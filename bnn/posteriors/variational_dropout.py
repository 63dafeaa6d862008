"""Variational dropout: multiplicative normal noise with a learned rate for every weight."""

from __future__ import annotations

import gin
import keras
import numpy as np
import tensorflow as tf

from bnn.posteriors.mean_field_normal import MeanFieldNormal


@keras.saving.register_keras_serializable(package="bnn.posteriors")
@gin.register(module="bnn.posteriors")
class VariationalDropout(MeanFieldNormal):
    """w = θ (1 + √α ε), that is N(θ, α θ²), ε ~ N(0, 1) (Kingma, Salimans & Welling 2015).

    Parametrised by θ and σ = √α |θ| (Molchanov, Ashukha & Vetrov 2017), whose gradient
    in θ does not carry the multiplicative noise. Under `bnn.priors.LogUniform` most α grow without
    bound, and weights with a large α can be left out: with ln α > 3 a weight is noise
    of more than four times its size. A Bernoulli rate p has the variance of α = p / (1 − p).
    Every estimator serves it; the paper's is `LocalReparameterization`.

    Args:
      initial_scale: σ of every element at the start, positive.
      scale_transform: the map from ρ to σ; `Exponential()` where None, as in the paper.
    """

    @property
    def log_alpha(self) -> tf.Tensor:
        """Ln α = 2 ln σ − ln θ², float32, of the tensor's shape."""
        return 2.0 * self.log_scale - tf.math.log(tf.square(self.mean) + 1e-30)

    def kept(self, threshold: float = 3.0) -> tf.Tensor:
        """Which weights have ln α at most `threshold`, bool, of the tensor's shape."""
        return self.log_alpha <= threshold

    def sparsity(self, threshold: float = 3.0) -> float:
        """The share of weights above the threshold, from 0 to 1."""
        return float(1.0 - tf.reduce_mean(tf.cast(self.kept(threshold), tf.float32)))

    def prune(self, threshold: float = 3.0) -> float:
        """Sets the weights above the threshold to a θ of 0 and a σ of 1e-8; their share.

        Args:
          threshold: of ln α.
        """
        kept = self.kept(threshold).numpy()
        gone = 1.0 - float(kept.mean())
        scale = self._unconstrained_scale.numpy()
        self.initialise(np.where(kept, self.mean.numpy(), 0.0))
        self._unconstrained_scale.assign(np.where(kept, scale, self.scale_transform.inverse(1e-8)))
        return gone
