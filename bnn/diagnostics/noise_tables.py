"""The noise of many steps worked out beforehand, so that a compiled loop only has to look it up.

The generator is a few hundred integer operations for every tensor of noise: compiling them again
for every estimator and layer takes far longer than the draws themselves. The numbers are those of
`bnn.noise.Noise`, bit for bit; what is not in the table is generated as ever.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bnn.estimators import Estimate, Estimator
from bnn.noise import Noise, threefry
from bnn.operators import Operator
from bnn.posteriors import Posterior


class Request(NamedTuple):
    """What an estimator asked of the noise: coordinates apart from seed and step, size and law.

    Attributes:
      site: as in `bnn.noise.Noise`, like purpose, sample and stream.
      purpose: of the noise.
      sample: number of the weight sample.
      stream: within the site.
      size: number of elements.
      transform: of the generator's bits into numbers of the law.
    """

    site: int
    purpose: int
    sample: int
    stream: int
    size: int
    transform: Any

    def table(self, seed: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """The numbers at every step, `[steps, size]`."""
        noise = Noise(seed, steps[:, tf.newaxis], self.site, self.sample, purpose=self.purpose)
        key = tuple(word.numpy() for word in noise.key(self.stream))
        counter = np.arange(self.size, dtype=np.uint32), np.uint32(self.sample)
        return self.transform(tf.constant(threefry(key, counter)[0]))


class NoiseTables:
    """The numbers of one step by request; filled in at every step of a loop.

    A table that records takes note of every request and answers none.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._step: Any = None
        self._numbers: dict[Request, tf.Tensor] = {}

    def fill(self, step: Any, numbers: tuple[tf.Tensor, ...]) -> None:
        """Holds the numbers of all requests at this step from now on; records where none are."""
        self._step = step
        self._numbers = dict(zip(self.requests, numbers, strict=False))

    def find(self, noise: Noise, stream: int, shape: Any, transform: Any) -> tf.Tensor | None:
        """The numbers for a tensor of noise, or None."""
        coordinates = (noise.site, noise.purpose, noise.sample, noise.replica, noise.example_offset)
        static = not any(tf.is_tensor(x) for x in (*coordinates, stream, shape, *shape))
        if not static or noise.step is not self._step or noise.replica or noise.example_offset:
            return None
        sample = noise.sample // 2 if noise.antithetic else noise.sample
        size = math.prod(shape)
        request = Request(noise.site, noise.purpose, sample, stream, size, transform)
        if not self._numbers and request not in self.requests:
            self.requests.append(request)
        return self._numbers.get(request)


@dataclasses.dataclass(frozen=True)
class TabledNoise(Noise):
    """Noise that looks its numbers up first.

    Attributes:
      tables: where to look.
    """

    tables: NoiseTables | None = None

    def _transform(
        self, shape: Any, stream: int, per_example: bool, transform: Any, compiled: Any
    ) -> tf.Tensor:
        numbers = self.tables.find(self, stream, shape, transform) if self.tables else None
        if numbers is None:
            return super()._transform(shape, stream, per_example, transform, compiled)
        return tf.reshape(numbers, shape)


def with_tables(estimator: Estimator, tables: NoiseTables) -> Estimator:
    """A copy of an estimator that hands its sites noise from tables."""
    outer = copy.copy(estimator)

    def at(labels: tuple[str, ...]) -> Estimator:
        chosen = estimator.at(labels)
        inner = copy.copy(chosen)

        def estimate(
            operator: Operator, inputs: tf.Tensor, posterior: Posterior, noise: Noise
        ) -> Estimate:
            fields = {f.name: getattr(noise, f.name) for f in dataclasses.fields(Noise)}
            tabled = TabledNoise(**fields, tables=tables)
            return chosen.estimate(operator, inputs, posterior, tabled)

        object.__setattr__(inner, "estimate", estimate)
        return inner

    object.__setattr__(outer, "at", at)
    return outer
