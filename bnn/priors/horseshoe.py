"""The horseshoe prior, with or without a slab."""

from __future__ import annotations

import math

import gin
import keras
import tensorflow as tf

from bnn.priors.prior import Prior, require_positive

# eˣ E₁(x): near zero Abramowitz & Stegun 5.1.53 (|error of E₁ + ln x| < 2e-7), then 5.1.56
# (relative error < 5e-8).
_SERIES = (-0.57721566, 0.99999193, -0.24991055, 0.05519968, -0.00976004, 0.00107857)
_NUMERATOR = (0.2677737343, 8.6347608925, 18.0590169730, 8.5733287401, 1.0)
_DENOMINATOR = (3.9584969228, 21.0996530827, 25.6329561486, 9.5733223454, 1.0)
# The density is infinite at zero: this far from it, in units of the scale, it is cut off.
_NEAREST = 1e-12


@keras.saving.register_keras_serializable(package="bnn.priors")
@gin.register(module="bnn.priors")
class Horseshoe(Prior):
    """w ~ N(0, τ² λ²), λ ~ C⁺(0, 1) for every element (Carvalho, Polson & Scott 2010).

    With λ integrated out the density is, with the exponential integral E₁,

        p(w) = eˣ E₁(x) / (√(2 π³) τ),   x = w² / (2 τ²):

    infinite at zero, with tails as of a Cauchy. With a slab of scale c the horseshoe is regularised
    as in Piironen & Vehtari (2017, equation 2.8): p(w) ∝ horseshoe(w) N(w; 0, c²), whose tails are
    the slab's. Its constant is closed form too, with a = τ / c:

        E[exp(−w² / 2c²)] = (2/π) ∫₀^∞ dλ / ((1 + λ²) √(1 + a² λ²)) = (2/π) arccos(a) / √(1 − a²).

    The KL has no closed form: the ledger estimates it.

    Args:
      scale: τ, positive.
      slab_scale: c, above τ; no slab where None.
    """

    finite = False

    def __init__(self, scale: float = 0.1, slab_scale: float | None = None) -> None:
        self.scale = require_positive("scale", scale)
        self.slab_scale = slab_scale
        if slab_scale is not None:
            self.slab_scale = require_positive("slab_scale", slab_scale)
            if not self.slab_scale > self.scale:
                raise ValueError(
                    f"slab_scale must be above scale, got slab_scale={slab_scale} and "
                    f"scale={scale}; a slab narrower than the horseshoe is a normal prior: use "
                    "bnn.priors.Normal()."
                )

    def log_prob(self, weights: tf.Tensor) -> tf.Tensor:
        """As above, of the tensor's shape."""
        x = tf.maximum(0.5 * tf.square(weights / self.scale), _NEAREST)
        constant = 0.5 * math.log(2 * math.pi**3) + math.log(self.scale)
        log_prob = tf.math.log(scaled_exponential_integral(x)) - constant
        if self.slab_scale is None:
            return log_prob
        a = self.scale / self.slab_scale
        share = 2 / math.pi * math.acos(a) / math.sqrt(1 - a**2)
        return log_prob - 0.5 * tf.square(weights / self.slab_scale) - math.log(share)

    def get_config(self) -> dict:
        """Keras configuration."""
        return {"scale": self.scale, "slab_scale": self.slab_scale}


def scaled_exponential_integral(x: tf.Tensor) -> tf.Tensor:
    """eˣ E₁(x) for positive float32 x, by rational functions; relative error below 1e-6."""
    small, large = tf.minimum(x, 1.0), tf.maximum(x, 1.0)
    near = tf.exp(small) * (_polynomial(_SERIES, small) - tf.math.log(small))
    # In powers of 1/x: x⁴ has no place in float32 for large x.
    inverse = 1.0 / large
    top, bottom = (_polynomial(c[::-1], inverse) for c in (_NUMERATOR, _DENOMINATOR))
    return tf.where(x < 1.0, near, inverse * top / bottom)


def _polynomial(coefficients: tuple[float, ...], x: tf.Tensor) -> tf.Tensor:
    """With these coefficients, constant first."""
    value = tf.zeros_like(x) + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = value * x + c
    return value
