"""The log-uniform prior of variational dropout."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.priors.prior import Prior

# −½ ln 2πe + E[ln |ε|], E[ln |ε|] = −(γ + ln 2) / 2.
_CONSTANT = -0.5 * math.log(2 * math.pi * math.e) - 0.5 * (0.5772156649015329 + math.log(2))


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class LogUniform(Prior):
    """p(w) ∝ ∏ᵢ 1 / |wᵢ|, that is ln |w| uniform (Kingma, Salimans & Welling 2015, section 3.2).

    It has no normalisation, and neither has the posterior under it (Hron, Matthews & Ghahramani
    2018): what is optimised is a penalty, no bound on an evidence. The constant is chosen so that
    the KL of N(0, σ²) is zero for every σ, as it is for α → ∞ in Molchanov, Ashukha & Vetrov (2017,
    equation 14), whose approximation the ledger counts for mean fields:

        KL ≈ k₁ − k₁ sigmoid(k₂ + k₃ ln α) + ½ ln(1 + 1/α),   α = σ² / μ²
    """

    finite = False

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """−ln |w| + constant, of the tensor's shape."""
        return -0.5 * tf.math.log(tf.square(weights) + 1e-37) + _CONSTANT

    def get_config(self) -> dict:
        """Keras configuration: no options."""
        return {}
