"""Mean, variance and mean slope of an activation of a normal number."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

_ACTIVATIONS = keras.activations
# Those with one bend or step, at 0, and smooth elsewhere: what the quadrature is laid out for.
_BY_QUADRATURE = (
    _ACTIVATIONS.tanh,
    _ACTIVATIONS.sigmoid,
    _ACTIVATIONS.gelu,
    _ACTIVATIONS.silu,
    _ACTIVATIONS.softplus,
    _ACTIVATIONS.elu,
    _ACTIVATIONS.selu,
    _ACTIVATIONS.leaky_relu,
)
# Those that never fall: the largest of their values is the value of the largest.
_INCREASING = (
    _ACTIVATIONS.linear,
    _ACTIVATIONS.relu,
    _ACTIVATIONS.tanh,
    _ACTIVATIONS.sigmoid,
    _ACTIVATIONS.softplus,
    _ACTIVATIONS.elu,
    _ACTIVATIONS.selu,
    _ACTIVATIONS.leaky_relu,
)
_REACH = 6.5  # standard deviations: 8e-11 of the mass is beyond
_NODES = 32  # on either side of 0
_COMPILE_FROM = 256  # units
_LEAST = 1e-30  # variance: a root of 0 has no gradient
_SLOW = 0.3275911 / np.sqrt(2)
_TAIL = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
# Q of erfc z = t Q(t) exp(−z²), t = 1/(1 + z/2), z ≥ 0: least squares of the relative error at
# Chebyshev's points.
_TAILS = (
    0.2820947951888851,
    0.28209375380832435,
    0.24688457471502148,
    0.17531597583844638,
    0.09346243425400988,
    -0.05921135729592728,
    0.13217704317435616,
    -0.4549739862735801,
    0.4936949300436885,
    -0.23473359194363363,
    0.04319544308014574,
)


class Activated(NamedTuple):
    """Of f(x) with x normal, element by element."""

    mean: tf.Tensor
    variance: tf.Tensor
    slope: tf.Tensor


def serves(activation: Any) -> bool:
    """Whether `moments_of_activation` has a rule."""
    return activation in (_ACTIVATIONS.linear, _ACTIVATIONS.relu, *_BY_QUADRATURE)


def increases(activation: Any) -> bool:
    """Whether it commutes with maxima."""
    return activation in _INCREASING


def moments_of_activation(activation: Any, mean: tf.Tensor, variance: tf.Tensor) -> Activated:
    """E f(x), Var f(x) and E f'(x) for x ~ N(mean, variance), element by element, in their type.

    With s = √variance, a = mean/s, φ and Φ of a:
    relu: E = mean Φ + s φ, E[f²] = (mean² + variance) Φ + mean s φ, E f' = Φ (closed form).
    Others: Gauss-Legendre quadrature of 32 nodes on either side of x = 0, where they bend, with
    nodes that lie the closer the nearer to it; relative error below 1e-5 in float64. The slope is
    E[(x − mean) f(x)]/variance (Stein 1981). Where the variance is 0, they are f(mean), 0 and 0,
    and of relu the slope is that at the mean.

    Args:
      activation: of Keras, one that `serves` knows.
      mean: any shape, float32 or float64.
      variance: of that shape, at least 0.
    """
    if activation is _ACTIVATIONS.linear:
        return Activated(mean, variance, tf.ones_like(mean))
    if activation is _ACTIVATIONS.relu:
        rule, large = _relu, _is_large(mean)
    else:
        rule, large = functools.partial(_quadrature, activation), True
    return Activated(*(_compiled(activation, rule) if large else rule)(mean, variance))


def _is_large(x: tf.Tensor) -> bool:
    """Whether one pass of a compiled kernel is worth its compilation."""
    return math.prod(n or 1 for n in x.shape[1:]) >= _COMPILE_FROM


_KERNELS: dict[Any, Any] = {}
_PLAIN = contextvars.ContextVar("plain", default=False)


@contextlib.contextmanager
def plain_operations() -> Iterator[None]:
    """Inside no kernel is compiled: a graph of TensorFlow's own operations, for other runtimes."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def _compiled(key: Any, rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule as one kernel for tens of operations; inlined where XLA compiles the caller."""
    if _PLAIN.get():
        return rule
    if key not in _KERNELS:
        _KERNELS[key] = tf.function(rule, jit_compile=True, autograph=False)
    return _KERNELS[key]


def normal_cdf(x: tf.Tensor) -> tf.Tensor:
    """Φ(x), in float32 by operations that every runtime has."""
    return _density_and_cdf(x)[1]


def _density_and_cdf(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """exp(−x²/2) and Φ(x), with one exponential.

    In float32 erfc z = t Q(t) exp(−z²) with t = 1/(1 + z/2), z ≥ 0 (the form of Press et al. 1992,
    section 6.2) and Q of degree 10, to a relative error of 2e-7 beside the rounding of x²: tails
    are right, too.
    """
    fall = tf.exp(-0.5 * tf.square(x))
    if x.dtype == tf.float64:
        return fall, 0.5 * tf.math.erfc(-x / np.sqrt(2))
    t = 1 / (1 + np.float32(0.5 / np.sqrt(2)) * tf.abs(x))
    power = tf.fill(tf.shape(t), np.float32(_TAILS[-1]))
    for c in reversed(_TAILS[:-1]):
        power = power * t + c
    tail = 0.5 * t * power * fall
    return fall, tf.where(x > 0, 1 - tail, tail)


def _relu(m: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, ...]:
    s = tf.sqrt(tf.maximum(variance, _LEAST))
    fall, above = _density_and_cdf(m / s)
    first = m * above + s * fall * (1 / np.sqrt(2 * np.pi))
    # E[f²] − E² = v Φ + E (m − E), without the difference of two squares.
    second = tf.maximum(variance * above + first * (m - first), 0)
    return first, second, above


def _quadrature(f: Any, m: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, ...]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2
    known = variance > 0
    s = tf.where(known, tf.sqrt(tf.where(known, variance, 1)), 0)
    bend = tf.clip_by_value(-tf.math.divide_no_nan(m, s), -_REACH, _REACH)
    column = [2 * _NODES] + [1] * m.shape.rank
    ends = tf.reshape(tf.constant(np.repeat([-_REACH, _REACH], _NODES), m.dtype), column)
    squares = tf.reshape(tf.constant(np.tile(nodes**2, 2), m.dtype), column)
    masses = tf.reshape(tf.constant(np.tile(2 * nodes * weights, 2), m.dtype), column)
    z = bend + (ends - bend) * squares
    masses = masses * tf.exp(-0.5 * z**2) * tf.abs(ends - bend)
    values = f(m + s * z)
    total = tf.reduce_sum(masses, axis=0)
    first = tf.reduce_sum(masses * values, axis=0) / total
    away = masses * (values - first)
    second = tf.reduce_sum(away * (values - first), axis=0) / total
    slope = tf.math.divide_no_nan(tf.reduce_sum(away * z, axis=0) / total, s)
    zeros = tf.zeros_like(m)
    return tf.where(known, first, f(m)), tf.where(known, second, zeros), slope


class Largest(NamedTuple):
    """Of the largest of n numbers.

    Attributes:
      mean: `[…]`.
      variance: of that shape.
      chances: `[n, …]`, of each to be the largest, which are the slopes of the mean; or None.
    """

    mean: tf.Tensor
    variance: tf.Tensor
    chances: tf.Tensor | None


def moments_of_maximum(
    mean: tf.Tensor,
    variance: tf.Tensor,
    windows: Callable[[tf.Tensor], tf.Tensor],
    key: Any,
    chances: bool = False,
) -> Largest:
    """Mean and variance of the largest of n independent normals, two by two (Clark 1961).

    With a² = v₁ + v₂, d = m₁ − m₂, Φ and φ of d/a: E max = m₂ + e with e = d Φ + a φ, and
    Var max = v₁ Φ + v₂ (1 − Φ) + e (d − e). Exact for two; the largest of two counts as normal
    where it is compared further. The slopes of E max are Φ and 1 − Φ.

    Args:
      mean: of all units.
      variance: of that shape.
      windows: gives the units of every maximum, `[n, …]`.
      key: equal where `windows` does the same.
      chances: whether they are wanted.
    """

    def rule(mean: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, ...]:
        m, v = tf.unstack(windows(mean)), tf.unstack(windows(variance))
        ones = [[tf.ones_like(x)] if chances else [] for x in m]
        groups = list(zip(m, v, ones, strict=True))
        while len(groups) > 1:
            pairs = [groups[i : i + 2] for i in range(0, len(groups), 2)]
            # One that has no partner waits for its turn.
            groups = [_larger(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        [(first, second, each)] = groups
        return (first, second, tf.stack(each)) if chances else (first, second)

    said = _compiled(("maximum", key, chances), rule)(mean, variance)
    return Largest(said[0], said[1], said[2] if chances else None)


def _larger(first: Any, second: Any) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
    (m1, v1, c1), (m2, v2, c2) = first, second
    a, d = tf.sqrt(v1 + v2), m1 - m2
    ratio = tf.math.divide_no_nan(d, a)
    # Φ with the exponential that φ needs, to an absolute error of 8e-8 (Abramowitz & Stegun 1964,
    # 7.1.26): this is done for every unit of the largest feature maps.
    fall = tf.exp(-0.5 * tf.square(ratio))
    t = 1 / (1 + _SLOW * tf.abs(ratio))
    tail = 0.5 * fall * t * functools.reduce(lambda y, c: y * t + c, _TAIL, tf.zeros_like(t))
    above = tf.where(ratio > 0, 1 - tail, tail)
    above = tf.where(a > 0, above, tf.cast(d > 0, d.dtype))
    e = d * above + a * fall / np.sqrt(2 * np.pi)
    variance = tf.maximum(v1 * above + v2 * (1 - above) + e * (d - e), 0)
    chances = [above * c for c in c1] + [(1 - above) * c for c in c2]
    return m2 + e, variance, chances
