"""Scrambled Sobol points: noise that is coupled over the samples of a step.

A tensor's numbers are the dimensions and the samples of a step the points. Each point on its own is
uniform in every bit, so that whatever is estimated keeps its expectation; together the points of a
step fill the cube evenly, so that the error of their mean falls faster than one over the root of
their number (Owen 1997; for variational inference Buchholz, Wenzel & Mandt 2018).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.noise.generator import halves, threefry

MOST_SAMPLES = 2**12
MOST_DIMENSIONS = 21_201  # of the direction numbers of Joe & Kuo (2008)
SCOPES = ("tensor", "model")
# A key's counter that plain noise does not reach: its last element.
_LAST, _BLOCKS, _ELEMENTS = 2**32 - 1, 0, 1
_BLOCK_BITS = 2  # four dimensions of one sequence under the scope "tensor"
_MULTIPLIERS = (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6)
_SWAPS = ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF))


@dataclasses.dataclass(frozen=True)
class Sobol:
    """How the samples of a step are coupled.

    Attributes:
      num_samples: S, a power of 2: samples S g … S g + S − 1 are the points of net g.
      scope: "tensor": every four numbers of a tensor are a Sobol sequence of their own, whose
        points are met in an order of its own (Burley 2020): any number of weights, each of them
        stratified over the samples, and balanced in fours. "model": all weights of a model are the
        dimensions of one sequence, at most 21,201; for families with one number a weight.
      first: under the scope "model" the tensor's first dimension, which a `bnn.Draw` gives.
    """

    num_samples: int
    scope: str = "tensor"
    first: int | None = None

    def __post_init__(self) -> None:
        """Checks the arguments."""
        count = self.num_samples
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not (whole and 2 <= count <= MOST_SAMPLES and count & (count - 1) == 0):
            raise ValueError(
                f"num_samples must be a power of 2 from 2 to {MOST_SAMPLES} for Sobol points, got "
                f"{count!r}: other numbers of them are not balanced."
            )
        if self.scope not in SCOPES:
            raise ValueError(
                f"sobol must be one of {', '.join(map(repr, SCOPES))} or None, got {self.scope!r}."
            )

    def for_tensor(self, first: int, size: int, label: str) -> Sobol:
        """The coupling for a tensor whose first number has this place in its model.

        Raises:
          ValueError: there are not as many dimensions.
        """
        if self.scope == "tensor":
            return self
        if first + size > MOST_DIMENSIONS:
            raise ValueError(
                f"sobol='model' has {MOST_DIMENSIONS} dimensions, and the model needs "
                f"{first + size} up to site {label!r}; use sobol='tensor'."
            )
        return dataclasses.replace(self, first=first)

    def require_weights(self, others: bool) -> None:
        """Refuses what is not numbered under the scope "model".

        Args:
          others: whether the numbers are other than one for every weight.

        Raises:
          ValueError: they are, or the tensor has no place in a model.
        """
        if self.scope == "model" and (others or self.first is None):
            raise ValueError(
                "sobol='model' numbers the weights of a model: it serves posteriors and estimators "
                "that draw one number for every weight, inside of a bnn.Draw, such as "
                "MeanFieldNormal with Reparameterization; use sobol='tensor' for others."
            )

    def words(
        self, key: tuple[Any, Any], first: tf.Tensor, count: Any, sample: tf.Tensor
    ) -> tf.Tensor:
        """Scrambled Sobol points as uint32 words, `[count]`.

        Args:
          key: of the stream, two uint32 scalars.
          first: number of the first element, uint32 or uint64.
          count: int or int32 tensor.
          sample: uint32 scalar.
        """
        last = self.num_samples - 1
        group, index = _shifted(sample, last.bit_length()), _masked(sample, last)
        element = tf.bitcast(tf.range(count, dtype=tf.int32), tf.uint32)
        high = tf.constant(0, tf.uint32)
        if first.dtype == tf.uint64:
            low, high = halves(first)
            high = high + tf.cast(low + element < low, tf.uint32)
            first = low
        element = first + element
        if self.scope == "model":
            point = self._point(index, element + np.array(self.first or 0, np.uint32))
        else:
            order, _ = threefry(_key(key, _BLOCKS), (_shifted(element, _BLOCK_BITS), group))
            shuffled = _masked(_scramble(index, order), last)
            point = self._point(shuffled, _masked(element, 2**_BLOCK_BITS - 1))
        scramble, shift = threefry(_key(key, _ELEMENTS), (element, _xor(group, high)))
        return _xor(_scramble(point, scramble), shift)

    def _point(self, index: tf.Tensor, dimension: tf.Tensor) -> tf.Tensor:
        """⊕ of the direction numbers of the index's bits, by element."""
        dimensions = 2**_BLOCK_BITS if self.scope == "tensor" else MOST_DIMENSIONS
        table = directions(self.num_samples, dimensions)
        place, point = tf.bitcast(dimension, tf.int32), tf.zeros_like(dimension)
        for k, numbers in enumerate(table):
            bit = _masked(_shifted(index, k), 1)
            point = _xor(point, bit * tf.gather(tf.constant(numbers), place))
        return point


@functools.cache
def directions(num_samples: int, num_dimensions: int) -> np.ndarray:
    """Direction numbers `[log₂ S, dimensions]`, uint32, those of SciPy.

    SciPy's point n is the ⊕ of the direction numbers of the bits of n ⊕ n/2, so that points 2^k
    give them one after the other.
    """
    from scipy.stats import qmc  # which `import bnn` need not wait for

    count = num_samples.bit_length() - 1
    points = qmc.Sobol(num_dimensions, scramble=False, bits=32).random(num_samples)
    points = (points * 2.0**32).astype(np.uint64).astype(np.uint32)
    numbers = [points[1]]
    for k in range(1, count):
        numbers.append(points[2**k] ^ numbers[-1])
    return np.stack(numbers)


def _key(key: tuple[Any, Any], use: int) -> tuple[Any, Any]:
    return threefry(key, (np.array(_LAST, np.uint32), np.array(use, np.uint32)))


def _scramble(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Owen's nested uniform scrambling by a hash: a bit is flipped by those above it.

    The permutation of Laine & Karras (2011) in the form of Burley (2020), on reversed bits: sums
    and products by even numbers carry upwards only.
    """
    x = _reverse(x) + seed
    for factor in _MULTIPLIERS:
        x = _xor(x, x * np.array(factor, np.uint32))
    return _reverse(x)


def _reverse(x: tf.Tensor) -> tf.Tensor:
    """The 32 bits in the other order."""
    left = tf.bitwise.left_shift
    for places, mask in _SWAPS:
        upper = left(_masked(x, mask), tf.constant(places, tf.uint32))
        x = tf.bitwise.bitwise_or(_masked(_shifted(x, places), mask), upper)
    return tf.bitwise.bitwise_or(_shifted(x, 16), left(x, tf.constant(16, tf.uint32)))


def _shifted(x: tf.Tensor, places: int) -> tf.Tensor:
    return tf.bitwise.right_shift(x, tf.constant(places, tf.uint32))


def _masked(x: tf.Tensor, mask: int) -> tf.Tensor:
    return tf.bitwise.bitwise_and(x, tf.constant(mask, tf.uint32))


def _xor(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, y)


@functools.cache
def compiled_words(sobol: Sobol, transform: Callable[[tf.Tensor], tf.Tensor]) -> Any:
    """Points and their transform as one XLA kernel; see `bnn.noise.transforms`."""

    @tf.function(jit_compile=True, autograph=False)
    def generate(key: Any, first: tf.Tensor, count: Any, sample: tf.Tensor) -> tf.Tensor:
        return transform(sobol.words(key, first, count, sample))

    return generate
