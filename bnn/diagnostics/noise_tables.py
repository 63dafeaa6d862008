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

import tensorflow as tf

from bnn.estimators import Estimator, Realisation
from bnn.noise import Noise
from bnn.noise.generator import words
from bnn.operators import Operator
from bnn.posteriors import Posterior


class Request(NamedTuple):
    """What an estimator asked of the noise: coordinates apart from seed and step, size and law.

    Attributes:
      site: as in `bnn.noise.Noise`, like purpose, part, sample and stream.
      purpose: of the noise.
      part: of the posterior.
      sample: number of the weight sample.
      stream: within the site.
      size: number of elements.
      transform: of the generator's bits into numbers of the law.
    """

    site: int
    purpose: int
    part: int
    sample: int
    stream: int
    size: int
    transform: Any

    def table(self, seed: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """The numbers at every step, `[steps, size]`."""
        steps = steps[:, tf.newaxis]
        noise = Noise(seed, steps, site=self.site, purpose=self.purpose, part=self.part)
        key = tuple(tf.convert_to_tensor(word) for word in noise.key(self.stream))
        first, sample = (tf.constant(n, tf.uint32) for n in (0, self.sample))
        return self.transform(words(key, first, self.size, sample))


class NoiseTables:
    """The numbers of one step by request; filled in at every step of a loop.

    Until they are filled for the first time the tables record: they take note of every request for
    the noise of a step, and answer none.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._moment: tuple[Any, Any] = (None, None)
        self._numbers: dict[Request, tf.Tensor] | None = None

    def record(self, seed: Any, step: Any) -> None:
        """Takes note of requests with this seed and step."""
        self._moment = (seed, step)

    def fill(self, seed: Any, step: Any, numbers: tuple[tf.Tensor, ...]) -> None:
        """Holds the numbers of all requests at this seed and step from now on."""
        self._moment = (seed, step)
        self._numbers = dict(zip(self.requests, numbers, strict=True))

    def find(self, noise: Noise, stream: int, shape: Any, transform: Any) -> tf.Tensor | None:
        """The numbers for a tensor of noise, or None."""
        seed, step = self._moment
        if noise.seed is not seed or noise.step is not step or tf.is_tensor(shape):
            return None
        places = (noise.site, noise.purpose, noise.part, noise.sample, stream, *shape)
        moved = (noise.replica, noise.example_offset)
        if any(tf.is_tensor(x) for x in (*places, *moved)) or any(moved):
            return None
        sample = noise.sample // 2 if noise.antithetic else noise.sample
        size = math.prod(shape)
        place = (noise.site, noise.purpose, noise.part, sample, stream)
        request = Request(*place, size, transform)
        if self._numbers is not None:
            return self._numbers.get(request)
        if request not in self.requests:
            self.requests.append(request)
        return None


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
        """The estimator of a site, which sees tabled noise."""
        chosen = estimator.at(labels)
        inner = copy.copy(chosen)

        def realise(
            operator: Operator, posterior: Posterior, noise: Noise, like: tf.Tensor
        ) -> Realisation:
            fields = {f.name: getattr(noise, f.name) for f in dataclasses.fields(Noise)}
            tabled = TabledNoise(**fields, tables=tables)
            return chosen.realise(operator, posterior, tabled, like)

        object.__setattr__(inner, "realise", realise)
        return inner

    object.__setattr__(outer, "at", at)
    return outer
