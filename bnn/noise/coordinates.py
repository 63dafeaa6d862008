"""The coordinates of a random number, as one value that is passed from the run to the site."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import numpy as np
import tensorflow as tf

from bnn.noise.generator import threefry, words
from bnn.noise.sobol import Sobol, compiled_words
from bnn.noise.transforms import (
    identity,
    identity_compiled,
    root_compiled,
    signs,
    standard_normal,
    standard_normal_compiled,
    uniform,
    uniform_compiled,
)
from bnn.noise.words import seed_words, step_words, word

# Below this many elements, compiling a kernel costs more than it saves in eager mode.
_COMPILE_FROM = 16_384


class Purpose(enum.IntEnum):
    """What noise is for. Two purposes never share a stream."""

    TRAINING = 0
    PREDICTION = 1
    KL = 2
    DROPOUT = 3
    MOMENTUM = 4
    DATA = 5
    INITIALIZATION = 6
    PROBE = 7
    METHOD = 8
    OUTCOMES = 9


@dataclasses.dataclass(frozen=True)
class Noise:
    """The coordinates of random numbers; with all of them given, a number is given.

    The coordinates enter the generator as

        root    = threefry(seed; step)
        key     = threefry(root; site · 2¹⁶ + purpose · 2⁸ + part · 2⁴ + stream, replica)
        word[i] = first word of threefry(key; i, sample)

    For one key the block is a bijection of (element, sample), for one step the key is one of
    (site, purpose, part, stream, replica), and for one seed the root is one of the step. Keys of
    different steps are independent 64-bit words: two of them are equal with a probability of 2⁻⁶⁴.

    A step may be any 64-bit integer. Tensors of other coordinates that pass 2³², or are negative,
    are folded into another word, never cut off; numbers that are not tensors are refused.

    Attributes:
      seed: int or scalar integer tensor; 64 bits.
      step: training step, int or scalar integer tensor; a vector of steps only for `of_step`.
      sample: number of the weight sample, int or scalar integer tensor.
      replica: number of the replica, int or scalar integer tensor; equal on all that share a draw.
      purpose: what the noise is for, below 2⁸; numbers from 16 on are free for other packages.
      site: number of the site in its model, below 2¹⁶.
      part: tells the terms of one posterior apart, below 2⁴.
      antithetic: couple samples 2k and 2k + 1: the second has the negated normal numbers of the
        first and the same signs and uniforms, but for `mirrored` ones (Hammersley & Morton 1956).
      sobol: couple samples as points of a scrambled Sobol net, see `bnn.noise.Sobol`: their normal
        and uniform numbers, not signs and bits. Not beside antithetic pairs.
      example_offset: position of the batch's first example in the global batch. Noise drawn with
        `per_example=True` depends on the example's global position only, so that replicas which
        share a draw see the same noise as one device would.
    """

    seed: Any
    step: Any = 0
    sample: Any = dataclasses.field(default=0, kw_only=True)
    replica: Any = dataclasses.field(default=0, kw_only=True)
    purpose: int = dataclasses.field(default=Purpose.TRAINING, kw_only=True)
    site: int = dataclasses.field(default=0, kw_only=True)
    part: int = dataclasses.field(default=0, kw_only=True)
    antithetic: bool = dataclasses.field(default=False, kw_only=True)
    sobol: Sobol | None = dataclasses.field(default=None, kw_only=True)
    example_offset: Any = dataclasses.field(default=0, kw_only=True)
    # (seed, step, their root): copies of a noise that keep both share one.
    _root: Any = dataclasses.field(default=None, kw_only=True, repr=False, compare=False)

    def __repr__(self) -> str:
        """The coordinates that differ from their defaults, the seed always."""
        shown = []
        for field in dataclasses.fields(self):
            if field.repr:
                text = _coordinate(getattr(self, field.name))
                if field.name == "seed" or text != _coordinate(field.default):
                    shown.append(f"{field.name}={text}")
        return f"Noise({', '.join(shown)})"

    def __post_init__(self) -> None:
        """Reads variables once, for coordinates must not move with a step counter; checks them."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if tf.is_tensor(value):
                object.__setattr__(self, field.name, tf.convert_to_tensor(value))
        for name in ("sample", "replica", "site", "purpose", "part", "example_offset"):
            word(getattr(self, name), name)
        known = self._root
        if known is None or known[0] is not self.seed or known[1] is not self.step:
            root = _root(seed_words(self.seed), step_words(self.step))
            object.__setattr__(self, "_root", (self.seed, self.step, root))
        if self.sobol is not None and self.antithetic:
            raise ValueError(
                "samples are coupled in one way, got antithetic=True and sobol="
                f"{self.sobol.scope!r}; set antithetic=False or sobol=None."
            )

    def at(self, **changes: Any) -> Noise:
        """A copy with other coordinates: `noise.at(sample=3)`."""
        return dataclasses.replace(self, **changes)

    def of_step(self, i: Any) -> Noise:
        """The noise of one of several steps, where `step` is a vector.

        In a loop over the steps this is less work than a new noise at each: all roots are made
        before it, together.
        """
        step, root = self.step[i], tuple(half[i] for half in self._root[2])
        return self.at(step=step, _root=(self.seed, step, root))

    def bits(self, shape: Any, stream: int = 0, *, per_example: bool = False) -> tf.Tensor:
        """Uniform random words, uint32, of the given shape.

        Args:
          shape: tuple of ints or an integer tensor; `[B, …]` with `per_example`.
          stream: 0 … 15, tells the tensors apart that one part of a site needs in one draw.
          per_example: the first axis counts examples, starting at `example_offset`.
        """
        return self._transform(shape, stream, per_example, identity, identity_compiled)

    def normal(self, shape: Any, stream: int = 0, *, per_example: bool = False) -> tf.Tensor:
        """Standard normal numbers, float32, of the given shape; arguments as in `bits`."""
        if self.sobol is not None:
            return self._points(shape, stream, per_example, standard_normal)
        normal = self._transform(
            shape, stream, per_example, standard_normal, standard_normal_compiled
        )
        if not self.antithetic:
            return normal
        return normal * (1.0 - 2.0 * tf.cast(self.sample % 2, tf.float32))

    def uniform(
        self, shape: Any, stream: int = 0, *, per_example: bool = False, mirrored: bool = False
    ) -> tf.Tensor:
        """Uniform numbers in the open interval (0, 1), float32.

        Args:
          shape: as in `bits`.
          stream: as in `bits`.
          per_example: as in `bits`.
          mirrored: the second of an antithetic pair has 1 − u, exactly: for what is moved by u as
            by a normal number. Else it has u, too: for what chooses among normal families.
        """
        if self.sobol is not None:
            return self._points(shape, stream, per_example, uniform)
        u = self._transform(shape, stream, per_example, uniform, uniform_compiled)
        if not (mirrored and self.antithetic):
            return u
        second = tf.cast(self.sample % 2, tf.float32)
        return second + (1.0 - 2.0 * second) * u

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
        packed = signs(tf.reduce_sum(pairs, axis=-1))
        return tf.reshape(tf.reshape(packed, [rows, 32 * num_words])[:, :row], shape)

    def key(self, stream: int = 0) -> tuple[Any, Any]:
        """The generator's two key words for one stream; ValueError for one out of range."""
        return threefry(self._root[2], self._place(stream))

    def _place(self, stream: int) -> tuple[Any, Any]:
        """What a key is made of, beside the root: two words."""
        place = (
            word(self.site, "site") << np.uint32(16)
            | word(self.purpose, "purpose") << np.uint32(8)
            | word(self.part, "part") << np.uint32(4)
            | word(stream, "stream")
        )
        return np.array(place, np.uint32), word(self.replica, "replica")

    def _transform(
        self, shape: Any, stream: int, per_example: bool, transform: Any, compiled: Any
    ) -> tf.Tensor:
        sample = word(self.sample // 2 if self.antithetic else self.sample, "sample")
        sample = tf.convert_to_tensor(sample)
        size, count, first = self._extent(shape, per_example)
        if size is not None and (size >= _COMPILE_FROM or tf.inside_function()):
            # One kernel for a hundred operations; inlined where XLA compiles the caller.
            root, place = _tensors(self._root[2]), _tensors(self._place(stream))
            return tf.reshape(compiled(root, place, first, size, sample), shape)
        return tf.reshape(transform(words(_tensors(self.key(stream)), first, count, sample)), shape)

    def _extent(self, shape: Any, per_example: bool) -> tuple[int | None, Any, tf.Tensor]:
        """Number of elements where it is known, as it is known in a graph, and the first one."""
        if tf.is_tensor(self.step) and self.step.shape.rank:
            raise ValueError(
                f"numbers are of one step, got a noise whose steps have shape {self.step.shape}; "
                "take noise.of_step(i)."
            )
        size = _static_size(shape)
        count = tf.reduce_prod(tf.cast(shape, tf.int32)) if size is None else size
        first = tf.constant(0, tf.uint32)
        if per_example and not _is_zero(self.example_offset):
            per_row = count // tf.maximum(tf.cast(shape[0], tf.int32), 1)
            offset = tf.cast(tf.cast(self.example_offset, tf.int64), tf.uint64)
            first = offset * tf.cast(per_row, tf.uint64)
        return size, count, first

    def _points(self, shape: Any, stream: int, per_example: bool, transform: Any) -> tf.Tensor:
        """Numbers coupled over the samples."""
        sobol = self.sobol
        assert sobol is not None
        sobol.require_weights(bool(per_example or stream or self.part))
        key, sample = _tensors(self.key(stream)), tf.convert_to_tensor(word(self.sample, "sample"))
        size, count, first = self._extent(shape, per_example)
        if size is not None and (size >= _COMPILE_FROM or tf.inside_function()):
            return tf.reshape(compiled_words(sobol, transform)(key, first, size, sample), shape)
        return tf.reshape(transform(sobol.words(key, first, count, sample)), shape)


def as_noise(noise: Any, **coordinates: Any) -> Noise:
    """The noise itself, or that of a seed with the coordinates that are given (not None).

    Raises:
      ValueError: for a noise with coordinates beside it, which would say two things.
    """
    given = {name: value for name, value in coordinates.items() if value is not None}
    if not isinstance(noise, Noise):
        return Noise(noise, **given)
    if given:
        raise ValueError(
            f"{', '.join(given)} must not be given beside a Noise, which has coordinates of its "
            f"own; use noise.at({', '.join(f'{name}=…' for name in given)})."
        )
    return noise


def _root(seed: tuple[Any, Any], step: tuple[Any, Any]) -> tuple[Any, Any]:
    """threefry(seed; step): one kernel in a graph that makes it at every run."""
    tensors = [half for half in (*seed, *step) if tf.is_tensor(half)]
    if tensors and tf.inside_function() and all(half.shape.rank == 0 for half in tensors):
        return root_compiled(_tensors(seed), _tensors(step))
    return threefry(seed, step)


def _tensors(words: tuple[Any, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.convert_to_tensor(words[0]), tf.convert_to_tensor(words[1])


def _is_zero(value: Any) -> bool:
    return not tf.is_tensor(value) and value == 0


def _static_size(shape: Any) -> int | None:
    if tf.is_tensor(shape):
        shape = tf.get_static_value(shape)
    if shape is None or any(tf.is_tensor(n) or n is None for n in shape):
        return None
    return int(np.prod([int(n) for n in shape], dtype=np.int64))


def _coordinate(value: Any) -> str:
    """A coordinate as text: the number where it is known now, else the tensor's name."""
    if isinstance(value, enum.Enum):
        return value.name
    numpy = getattr(value, "numpy", None)
    if numpy is not None and tf.executing_eagerly():
        return str(numpy())
    return f"<{value.name}>" if tf.is_tensor(value) else str(value)
