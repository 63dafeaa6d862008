"""Counter-based noise: every random number is a pure function of named coordinates.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers:
as easy as 1, 2, 3", SC 2011), a keyed bijection of 64-bit counters that passes TestU01's BigCrush
at 13 rounds already. The coordinates enter as

    key     = threefry(seed; step, site · 2¹⁶ + purpose · 2¹⁵ + stream · 2¹² + replica)
    word[i] = first word of threefry(key; i, sample)

For one seed the key is a bijection of (step, site, purpose, stream, replica), and for one key the
block is a bijection of (element, sample): two coordinates of one seed can never share a stream.

Only 32-bit additions, rotations and exclusive-ors are used, so the bits are the same in eager mode,
in graphs and under XLA, where the whole generator fuses with whatever consumes the numbers.
"""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import numpy as np
import tensorflow as tf

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = 0x1BD11BDA
_ROUNDS = 20
_LIMITS = {
    "step": 2**32,
    "site": 2**16,
    "purpose": 2,
    "stream": 2**3,
    "sample": 2**32,
    "replica": 2**12,
}
# Minimax fits for the inverse normal CDF, see `_standard_normal`.
_NUMERATOR = (1.25331414, 1.73406696, 1.34835649, 0.702863634, 0.233114302, 0.0352067463)
_DENOMINATOR = (1.0, 0.336389184, 0.515028, 0.120132692, 0.0459593013, 0.00132173835)
_LOG1P = (
    0.999999821, -0.50000668, 0.333361834, -0.249593362, 0.19873007, -0.173335135, 0.164203301,
    -0.101025142,
)  # fmt: skip
_SQRT_HALF_BITS = 0x3F3504F3
# Below this many elements, compiling a kernel costs more than it saves in eager mode.
_COMPILE_FROM = 16_384


def _is_numpy(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic))


def _rotate(x: Any, places: int) -> Any:
    if _is_numpy(x):
        return (x << np.uint32(places)) | (x >> np.uint32(32 - places))
    left = tf.bitwise.left_shift(x, tf.constant(places, tf.uint32))
    right = tf.bitwise.right_shift(x, tf.constant(32 - places, tf.uint32))
    return tf.bitwise.bitwise_or(left, right)


def _xor(x: Any, y: Any) -> Any:
    if _is_numpy(x) and _is_numpy(y):
        return x ^ y
    return tf.bitwise.bitwise_xor(x, y)


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Encrypts a counter: Threefry-2x32, 20 rounds (Salmon et al. 2011, section 3.4).

    Args:
      key: two uint32 arrays or tensors, of shapes that broadcast with the counter's.
      counter: two uint32 arrays or tensors.

    Returns:
      Two uint32 words of the broadcast shape. NumPy arrays stay NumPy arrays.
    """
    schedule = (key[0], key[1], _xor(_xor(key[0], key[1]), np.array(_PARITY, np.uint32)))
    with np.errstate(over="ignore"):  # additions are modulo 2³² by design
        x0, x1 = counter[0] + key[0], counter[1] + key[1]
        for i in range(_ROUNDS):
            x0 = x0 + x1
            x1 = _xor(_rotate(x1, _ROTATIONS[i % 8]), x0)
            if i % 4 == 3:
                j = i // 4 + 1
                x0 = x0 + schedule[j % 3]
                x1 = x1 + schedule[(j + 1) % 3] + np.array(j, np.uint32)
    return x0, x1


def _standard_normal(bits: tf.Tensor) -> tf.Tensor:
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
    mantissa = tf.bitcast(bits - tf.bitwise.left_shift(exponent, tf.constant(23)), tf.float32)
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


def _signs(words: tf.Tensor) -> tf.Tensor:
    """The 32 signs of every word, lowest bit first: `[…]` to `[…, 32]`."""
    places = tf.bitcast(tf.range(32), tf.uint32)
    bits = tf.bitwise.right_shift(words[..., tf.newaxis], places)
    bits = tf.bitwise.bitwise_and(bits, tf.constant(1, tf.uint32))
    return 1.0 - 2.0 * tf.cast(tf.bitcast(bits, tf.int32), tf.float32)


def _uniform(bits: tf.Tensor) -> tf.Tensor:
    # An odd multiple of 2⁻²⁴: with one bit more, the largest would round to 1.
    return tf.cast(2 * _leading(bits, 23) + 1, tf.float32) * 2.0**-24


def _word(value: Any, name: str) -> Any:
    """One coordinate as a uint32: a NumPy scalar array where it is known, else a tensor."""
    if not tf.is_tensor(value):
        try:
            value = operator.index(value)
        except TypeError:
            value = tf.convert_to_tensor(value)
    if not tf.is_tensor(value):
        limit = _LIMITS[name]
        if not 0 <= value < limit:
            raise ValueError(
                f"{name} must be an integer from 0 to {limit - 1}, got {value}; noise streams "
                f"are told apart by {limit.bit_length() - 1} bits of {name}."
            )
        return np.array(value, np.uint32)
    if not value.dtype.is_integer:
        raise ValueError(
            f"{name} must be an integer or an integer tensor, got a tensor of {value.dtype.name}; "
            f"cast it with tf.cast({name}, tf.int64)."
        )
    return tf.cast(value, tf.uint32)


def _seed_words(seed: Any) -> tuple[Any, Any]:
    if not tf.is_tensor(seed):
        try:
            seed = operator.index(seed)
        except TypeError:
            raise ValueError(
                f"seed must be an int or an integer tensor, got {seed!r}; pass for example seed=0."
            ) from None
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"seed must fit into 64 bits, got {seed}; take it modulo 2**64.")
        seed %= 2**64
        return np.array(seed % 2**32, np.uint32), np.array(seed // 2**32, np.uint32)
    if not seed.dtype.is_integer or seed.shape.rank not in (0, None):
        raise ValueError(
            "seed must be an int or a scalar integer tensor, got a tensor of "
            f"{seed.dtype.name} with shape {seed.shape}; pass for example tf.constant(0)."
        )
    if seed.dtype.size < 8:  # sign-extended, as a Python int is
        seed = tf.cast(seed, tf.int64)
    wide = tf.bitcast(seed, tf.uint64)
    high = tf.bitwise.right_shift(wide, tf.constant(32, tf.uint64))
    return tf.cast(wide, tf.uint32), tf.cast(high, tf.uint32)


@dataclasses.dataclass(frozen=True)
class Noise:
    """The coordinates of one site's noise in one draw.

    Attributes:
      seed: int or scalar integer tensor; 64 bits.
      step: training step, int or scalar integer tensor, below 2³².
      site: number of the site in its model, below 2¹⁶.
      sample: number of the weight sample, int or scalar integer tensor, below 2³².
      replica: number of the replica, int or scalar integer tensor, below 2¹².
      purpose: 0 for the weights of a draw, 1 for the Monte-Carlo KL, which must not reuse them.
      antithetic: couple samples 2k and 2k + 1: the second has the negated normal numbers of the
        first and the same signs and uniforms.
      example_offset: position of the batch's first example in the global batch. Noise drawn with
        `per_example=True` depends on the example's global position only, so that replicas which
        share a draw see the same noise as one device would.
    """

    seed: Any
    step: Any = 0
    site: int = 0
    sample: Any = 0
    replica: Any = 0
    purpose: int = 0
    antithetic: bool = False
    example_offset: Any = 0

    def __post_init__(self) -> None:
        """Reads variables once: the coordinates must not move with a step counter."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if tf.is_tensor(value):
                object.__setattr__(self, field.name, tf.convert_to_tensor(value))

    def bits(self, shape: Any, stream: int = 0, *, per_example: bool = False) -> tf.Tensor:
        """Uniform random words, uint32, of the given shape.

        Args:
          shape: tuple of ints or an integer tensor; `[B, …]` with `per_example`.
          stream: 0 … 7, tells the tensors apart that one site needs in one draw.
          per_example: the first axis counts examples, starting at `example_offset`.
        """
        return self._transform(shape, stream, per_example, _identity, _identity_compiled)

    def normal(self, shape: Any, stream: int = 0, *, per_example: bool = False) -> tf.Tensor:
        """Standard normal numbers, float32, of the given shape; arguments as in `bits`."""
        normal = self._transform(
            shape, stream, per_example, _standard_normal, _standard_normal_compiled
        )
        if not self.antithetic:
            return normal
        return normal * (1.0 - 2.0 * tf.cast(self.sample % 2, tf.float32))

    def uniform(self, shape: Any, stream: int = 0, *, per_example: bool = False) -> tf.Tensor:
        """Uniform numbers in the open interval (0, 1), float32; arguments as in `bits`."""
        return self._transform(shape, stream, per_example, _uniform, _uniform_compiled)

    def signs(self, shape: Any, stream: int = 0, *, per_example: bool = False) -> tf.Tensor:
        """Rademacher signs, exactly −1 or +1 with equal chance, float32; arguments as in `bits`.

        One word holds 32 signs; each row, that is index of the first axis, begins with a new word.
        The words are sums of two of the generator's, which XLA does not repeat in every consumer.
        """
        sizes = shape if _static_size(shape) is not None else tf.cast(shape, tf.int32)
        rank = len(shape) if not tf.is_tensor(shape) else shape.shape[0]
        rows = sizes[0] if rank else 1
        row = _static_size(shape[1:])
        if row is None:
            row = tf.reduce_prod(sizes[1:])
        num_words = -(-row // 32)
        pairs = self.bits([rows, num_words, 2], stream, per_example=per_example)
        signs = _signs(tf.reduce_sum(pairs, axis=-1))
        return tf.reshape(tf.reshape(signs, [rows, 32 * num_words])[:, :row], shape)

    def _transform(
        self, shape: Any, stream: int, per_example: bool, transform: Any, compiled: Any
    ) -> tf.Tensor:
        key = tuple(tf.convert_to_tensor(word) for word in self.key(stream))
        sample = _word(self.sample // 2 if self.antithetic else self.sample, "sample")
        sample = tf.convert_to_tensor(sample)
        size = _static_size(shape)
        count = tf.reduce_prod(tf.cast(shape, tf.int32)) if size is None else size
        first = tf.constant(0, tf.uint32)
        if per_example:
            per_row = count // tf.maximum(tf.cast(shape[0], tf.int32), 1)
            first = tf.cast(tf.cast(self.example_offset, tf.int32) * per_row, tf.uint32)
        if size is not None and (size >= _COMPILE_FROM or tf.inside_function()):
            # One kernel for a hundred operations; inlined where XLA compiles the caller.
            return tf.reshape(compiled(key, first, size, sample), shape)
        return tf.reshape(transform(_words(key, first, count, sample)), shape)

    def key(self, stream: int = 0) -> tuple[Any, Any]:
        """The generator's two key words for one stream; ValueError for unusable coordinates."""
        _word(self.sample, "sample")
        site = (
            _word(self.site, "site") << np.uint32(16)
            | _word(self.purpose, "purpose") << np.uint32(15)
            | _word(stream, "stream") << np.uint32(12)
        )
        place = _word(self.replica, "replica") + np.array(site, np.uint32)
        return threefry(_seed_words(self.seed), (_word(self.step, "step"), place))


def _words(key: tuple[Any, Any], first: Any, count: Any, sample: Any) -> tf.Tensor:
    element = first + tf.bitcast(tf.range(count, dtype=tf.int32), tf.uint32)
    return threefry(key, (element, sample))[0]


def _compiled(transform: Any) -> Any:
    """The generator as one XLA kernel, for large tensors outside XLA: 20 rounds, one pass."""

    @tf.function(jit_compile=True, autograph=False)
    def generate(key, first, count, sample):
        return transform(_words(key, first, count, sample))

    return generate


def _identity(bits: tf.Tensor) -> tf.Tensor:
    return bits


_identity_compiled = _compiled(_identity)
_standard_normal_compiled = _compiled(_standard_normal)
_uniform_compiled = _compiled(_uniform)


def _static_size(shape: Any) -> int | None:
    if tf.is_tensor(shape):
        shape = tf.get_static_value(shape)
    if shape is None or any(tf.is_tensor(n) or n is None for n in shape):
        return None
    return int(np.prod([int(n) for n in shape], dtype=np.int64))
