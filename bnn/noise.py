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
# Below this many elements, compiling a kernel costs more than it saves outside XLA.
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

    The polynomials are those of M. Giles, "Approximating the erfinv function", GPU Computing Gems
    (2011), single precision. |z| reaches 5.42; P(|z| > 5.42) = 6e-8.
    """
    x = _symmetric_uniform(bits)
    w = -tf.math.log1p(-x * x)
    a = w - 2.5
    centre = tf.constant(2.81022636e-08)
    for c in (
        3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
        -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
    ):  # fmt: skip
        centre = centre * a + c
    b = tf.sqrt(w) - 3.0
    tail = tf.constant(-0.000200214257)
    for c in (
        0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
        -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
    ):  # fmt: skip
        tail = tail * b + c
    return np.float32(np.sqrt(2.0)) * x * tf.where(w < 5.0, centre, tail)


def _leading(bits: tf.Tensor, count: int) -> tf.Tensor:
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(32 - count, tf.uint32)), tf.int32)


def _symmetric_uniform(bits: tf.Tensor) -> tf.Tensor:
    # Centred as integers: odd numbers above 2²⁴ are not in float32, the largest would round to 1.
    return tf.cast(2 * (_leading(bits, 24) - 2**23) + 1, tf.float32) * 2.0**-24


def _signs(bits: tf.Tensor) -> tf.Tensor:
    top = tf.bitwise.right_shift(bits, tf.constant(31, tf.uint32))
    return 1.0 - 2.0 * tf.cast(tf.cast(top, tf.int32), tf.float32)


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
        """Rademacher signs, exactly −1 or +1 with equal chance, float32; arguments as in `bits`."""
        return self._transform(shape, stream, per_example, _signs, _signs_compiled)

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
        if size is not None and size >= _COMPILE_FROM:  # inlined where XLA compiles the caller
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

    @tf.function(jit_compile=True, reduce_retracing=False)
    def generate(key, first, count, sample):
        return transform(_words(key, first, count, sample))

    return generate


def _identity(bits: tf.Tensor) -> tf.Tensor:
    return bits


_identity_compiled = _compiled(_identity)
_standard_normal_compiled = _compiled(_standard_normal)
_uniform_compiled = _compiled(_uniform)
_signs_compiled = _compiled(_signs)


def _static_size(shape: Any) -> int | None:
    if tf.is_tensor(shape):
        shape = tf.get_static_value(shape)
    if shape is None or any(tf.is_tensor(n) or n is None for n in shape):
        return None
    return int(np.prod([int(n) for n in shape], dtype=np.int64))
