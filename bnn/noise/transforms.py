"""Normal and uniform numbers and signs from uniform random words."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from bnn.noise.generator import threefry, words

# Minimax fits for the inverse normal CDF, see `standard_normal`.
_NUMERATOR = (1.25331414, 1.73406696, 1.34835649, 0.702863634, 0.233114302, 0.0352067463)
_DENOMINATOR = (1.0, 0.336389184, 0.515028, 0.120132692, 0.0459593013, 0.00132173835)
_LOG1P = (
    0.999999821, -0.50000668, 0.333361834, -0.249593362, 0.19873007, -0.173335135, 0.164203301,
    -0.101025142,
)  # fmt: skip
_SQRT_HALF_BITS = 0x3F3504F3


def standard_normal(bits: tf.Tensor) -> tf.Tensor:
    """Inverse normal CDF of uniform bits: √2 · erf⁻¹(x), x an odd multiple of 2⁻²⁴ in (−1, 1).

    √2 · erf⁻¹(x) = x · P(w) / Q(w) with w = −¼ ln(1 − x²) in [0, 4), P and Q of degree 5 with
    positive coefficients, fitted to a relative error of 1.3e-8; 3.4e-7 remain in float32.
    |z| reaches 5.42; P(|z| > 5.42) = 6e-8.

    XLA repeats cheap producers in every consumer and stores the results of expensive ones. With the
    logarithm made of cheap operations and the division last, all of this and the generator become
    one pass over memory, done once.
    """
    x = _symmetric_uniform(bits)
    w = 0.25 * _negative_log((1.0 - x) * (1.0 + x))
    return x * _horner(_NUMERATOR, w) / _horner(_DENOMINATOR, w)


def _negative_log(t: tf.Tensor) -> tf.Tensor:
    """−ln t for normal positive float32: exponent and mantissa m in [√½, √2), ln m a polynomial."""
    bits = tf.bitcast(t, tf.int32)
    exponent = tf.bitwise.right_shift(bits - _SQRT_HALF_BITS, tf.constant(23))
    mantissa = tf.bitcast(bits - exponent * tf.constant(1 << 23), tf.float32)
    f = mantissa - 1.0
    return tf.cast(exponent, tf.float32) * np.float32(-np.log(2.0)) - f * _horner(_LOG1P, f)


def _horner(coefficients: tuple[float, ...], x: tf.Tensor) -> tf.Tensor:
    """The polynomial with these coefficients, constant first."""
    value = tf.constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        value = value * x + c
    return value


def _leading(bits: tf.Tensor, count: int) -> tf.Tensor:
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(32 - count, tf.uint32)), tf.int32)


def _symmetric_uniform(bits: tf.Tensor) -> tf.Tensor:
    # Centred as integers: odd numbers above 2²⁴ are not in float32, the largest would round to 1.
    return tf.cast(2 * (_leading(bits, 24) - 2**23) + 1, tf.float32) * 2.0**-24


def signs(packed: tf.Tensor) -> tf.Tensor:
    """The 32 signs of every word, lowest bit first: `[…]` to `[…, 32]`."""
    places = tf.bitcast(tf.range(32), tf.uint32)
    bits = tf.bitwise.right_shift(packed[..., tf.newaxis], places)
    bits = tf.bitwise.bitwise_and(bits, tf.constant(1, tf.uint32))
    return 1.0 - 2.0 * tf.cast(tf.bitcast(bits, tf.int32), tf.float32)


def uniform(bits: tf.Tensor) -> tf.Tensor:
    """Numbers in (0, 1)."""
    # An odd multiple of 2⁻²⁴: with one bit more, the largest would round to 1.
    return tf.cast(2 * _leading(bits, 23) + 1, tf.float32) * 2.0**-24


def _compiled(transform: Any) -> Any:
    """The generator as one XLA kernel, for large tensors outside XLA: 20 rounds, one pass.

    Its key is made inside, from the root and the rest of the coordinates: as operations of a graph
    the rounds of one scalar take longer than a small tensor's numbers.
    """

    @tf.function(jit_compile=True, autograph=False)
    def generate(root, place, first, count, sample):
        return transform(words(threefry(root, place), first, count, sample))

    return generate


@tf.function(jit_compile=True, autograph=False)
def root_compiled(
    seed: tuple[tf.Tensor, tf.Tensor], step: tuple[tf.Tensor, tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """threefry(seed; step) as one kernel: twenty rounds of scalars are a hundred operations."""
    return threefry(seed, step)


def identity(bits: tf.Tensor) -> tf.Tensor:
    """The words themselves."""
    return bits


identity_compiled = _compiled(identity)
standard_normal_compiled = _compiled(standard_normal)
uniform_compiled = _compiled(uniform)
