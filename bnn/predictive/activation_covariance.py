"""Covariances of activations of jointly normal numbers, two by two."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.predictive.activations import moments_of_activation

_ACTIVATIONS = keras.activations
_SMOOTH = (
    _ACTIVATIONS.tanh,
    _ACTIVATIONS.sigmoid,
    _ACTIVATIONS.gelu,
    _ACTIVATIONS.silu,
    _ACTIVATIONS.softplus,
)
_NODES = 16  # of the angle
_ORDERS, _HERMITE = 12, 40  # terms of the expansion, and nodes of its coefficients
_LARGEST = 1 - 1e-6  # correlation: the angle has no slope at 1
_FAR = 30.0  # standard deviations, where every unit is on or off


def serves_covariance(activation: Any) -> bool:
    """Whether `covariance_of_activation` has a rule."""
    return activation in (_ACTIVATIONS.linear, _ACTIVATIONS.relu, *_SMOOTH)


def covariance_of_activation(
    activation: Any, mean: tf.Tensor, covariance: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and covariance of f(x), x ~ N(mean, covariance), differentiable.

    Off the diagonal with a = m/s of each, ρ their correlation:

    relu: Cov = sᵢ sⱼ ∫₀^arcsin ρ (ρ − sin θ) exp(−(aᵢ² + aⱼ² − 2 aᵢ aⱼ sin θ)/(2 cos² θ)) dθ / 2π
          + sᵢ sⱼ ρ Φ(aᵢ) Φ(aⱼ).

    That is sᵢ sⱼ ∫₀^ρ Φ₂(aᵢ, aⱼ; r) dr, for ∂Cov(f, g)/∂Cov(x, y) = E[f′ g′] (Price 1958) and
    E[f′ g′] = Φ₂ is the bivariate normal's distribution function, itself such an integral (Plackett
    1954; Drezner & Wesolowsky 1990; Genz 2004, equation 3). For aᵢ = aⱼ = 0 it is the kernel of
    arc-cosines, [√(1 − ρ²) − 1 + ρ (π/2 + arcsin ρ)] / 2π (Cho & Saul 2009, order 1). The angle is
    integrated by Gauss-Legendre's rule of 16 nodes, to an absolute error below 1e-6 sᵢ sⱼ.

    tanh, sigmoid, gelu, silu, softplus: Cov = Σ_k ρᵏ cᵢₖ cⱼₖ, k from 1 to 12, with Hermite
    coefficients cₖ = E[f(m + s z) Heₖ(z)] / √k! (Mehler 1866): what is left out is at most
    Σ_{k>12} |ρ|ᵏ |cᵢₖ cⱼₖ|, which grows where f bends within a standard deviation.

    On the diagonal both are `moments_of_activation`.

    Args:
      activation: of Keras, one that `serves_covariance` knows.
      mean: m, `[B, n]`.
      covariance: `[B, n, n]`.
    """
    if activation is _ACTIVATIONS.linear:
        return mean, covariance
    variance = tf.linalg.diag_part(covariance)
    known = variance > 0
    scale = tf.where(known, tf.sqrt(tf.where(known, variance, 1.0)), 0.0)
    inverse = tf.math.divide_no_nan(tf.ones_like(scale), scale)
    rho = covariance * inverse[:, :, tf.newaxis] * inverse[:, tf.newaxis]
    rho = tf.clip_by_value(rho, -_LARGEST, _LARGEST)
    if activation is _ACTIVATIONS.relu:
        ratio = tf.clip_by_value(mean * inverse, -_FAR, _FAR)
        between = _outer(scale) * relu_covariance(ratio, rho)
    else:
        between = _mehler(activation, mean, scale, rho)
    said = moments_of_activation(activation, mean, variance)
    return said.mean, tf.linalg.set_diag(between, said.variance)


def relu_covariance(ratio: tf.Tensor, correlation: tf.Tensor) -> tf.Tensor:
    """Of max(0, a + z) for standard normal z with these correlations, `[B, n, n]`.

    Args:
      ratio: a, `[B, n]`.
      correlation: ρ, `[B, n, n]`, strictly between −1 and 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    angle = tf.asin(correlation)
    product = _outer(ratio)
    near = tf.square(ratio[:, :, tf.newaxis] - ratio[:, tf.newaxis])
    far = tf.square(ratio[:, :, tf.newaxis] + ratio[:, tf.newaxis])
    # a² + b² − 2ab sin θ without the difference of what is nearly equal where |sin θ| is near 1.
    positive = correlation > 0
    apart = tf.where(positive, near, far)
    signed = tf.where(positive, product, -product)
    above = _normal_cdf(ratio)
    total = correlation * _outer(above)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        sine = tf.sin(float(node) * angle)
        size = tf.abs(sine)
        power = 0.5 * apart / ((1 - size) * (1 + size)) + signed / (1 + size)
        share = float(weight / (2 * math.pi)) * angle
        total += share * (correlation - sine) * tf.exp(-power)
    return total


def _mehler(activation: Any, mean: tf.Tensor, scale: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
    total, power = tf.zeros_like(rho), tf.ones_like(rho)
    for order in _coefficients(activation, mean, scale):
        power *= rho
        total += power * _outer(order)
    return total


def _coefficients(
    activation: Callable[[tf.Tensor], tf.Tensor], mean: tf.Tensor, scale: tf.Tensor
) -> list[tf.Tensor]:
    """c₁, c₂, …, `[B, n]` each, by Gauss-Hermite's rule."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_HERMITE)
    weights = weights / weights.sum()
    table = np.polynomial.hermite_e.hermevander(nodes, _ORDERS)[:, 1:]
    table /= np.sqrt([math.factorial(k) for k in range(1, _ORDERS + 1)])
    nodes = tf.constant(nodes, mean.dtype)
    values = activation(mean[..., tf.newaxis] + scale[..., tf.newaxis] * nodes)
    found = tf.tensordot(values, tf.constant(weights[:, np.newaxis] * table, mean.dtype), 1)
    return tf.unstack(found, axis=-1)


def _normal_cdf(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.math.erfc(-x / np.sqrt(2))


def _outer(x: tf.Tensor) -> tf.Tensor:
    return x[:, :, tf.newaxis] * x[:, tf.newaxis]
