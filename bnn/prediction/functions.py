"""What a posterior sample is: a context in which the model is one function."""

from __future__ import annotations

import abc
import operator
from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bnn.compat import substituted
from bnn.draw import Draw, PriorDraw
from bnn.estimators import Reparameterization
from bnn.noise import Noise, Purpose


class Functions(abc.ABC):
    """S functions drawn from a posterior: in `at(s, …)`, the model is function number s.

    Attributes:
      num_samples: S.
      arguments: what the functions are made of, a nest of tensors (a seed, stored weights …). They
        are passed into the compiled prediction, so that others of the same shapes need no new one.
      coupled: so many consecutive functions depend on each other, from the first on; 1 where all
        are independent. Standard errors count their mean as one.
    """

    num_samples: int
    arguments: Any
    coupled: int = 1

    @abc.abstractmethod
    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """The context of one function.

        Args:
          sample: number of the function, from 0, a scalar integer tensor.
          arguments: as the attribute, but as seen inside of the compiled prediction.
        """

    @property
    def key(self) -> Hashable:
        """What `at` depends on beside its arguments: equal keys share a compiled prediction."""
        return self


class _Seeded(Functions):
    """Draws of all weights of a seed."""

    def __init__(self, num_samples: int, seed: Any) -> None:
        self.num_samples = check_num_samples(num_samples)
        self._context(seed, 0)  # raises for an unusable seed
        self.arguments = as_seed(seed)

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """A draw of this seed and sample."""
        return self._context(arguments, sample)

    @abc.abstractmethod
    def _context(self, seed: Any, sample: Any) -> Draw: ...


class Draws(_Seeded):
    """Coherent draws of all random weights, w ~ q(w).

    Args:
      num_samples: S, at least 1.
      seed: int or scalar integer tensor.
      antithetic: draw in pairs, μ ± σ ε: what is odd in ε cancels in their mean, see `bnn.Draw`.

    Raises:
      ValueError: for num_samples below 1, or odd with pairs, or a seed that is no integer of 64
        bits.
    """

    def __init__(self, num_samples: int = 32, seed: Any = 0, antithetic: bool = False) -> None:
        self.antithetic, self.coupled = bool(antithetic), 2 if antithetic else 1
        super().__init__(num_samples, seed)
        if self.num_samples % self.coupled:
            raise ValueError(
                f"num_samples must be even for antithetic pairs, got {num_samples}; use "
                f"{num_samples + 1}, or antithetic=False."
            )

    @property
    def key(self) -> Hashable:
        """All draws are made in the same way, but for the pairs."""
        return Draws, self.antithetic

    def _context(self, seed: Any, sample: Any) -> Draw:
        noise = Noise(seed, purpose=Purpose.PREDICTION, sample=sample, antithetic=self.antithetic)
        return Draw(noise, Reparameterization())


class PriorDraws(_Seeded):
    """Coherent draws of all weights from their priors, w ~ p(w): what is believed before data.

    Of the model as it is, trained or not: `bnn.predict(model, x, functions=PriorDraws(20))`. Layers
    without sites, weights that are no site, and what a prior has learned stay as they are.

    Args:
      num_samples: S, at least 1.
      seed: int or scalar integer tensor.

    Raises:
      ValueError: for num_samples below 1 or a seed that is no integer of 64 bits; when it draws,
        for a prior that is a density alone, as `Horseshoe`.
    """

    def __init__(self, num_samples: int = 32, seed: Any = 0) -> None:
        super().__init__(num_samples, seed)

    @property
    def key(self) -> Hashable:
        """All draws are made in the same way."""
        return PriorDraws

    def _context(self, seed: Any, sample: Any) -> PriorDraw:
        return PriorDraw(Noise(seed, purpose=Purpose.PREDICTION, sample=sample))


class StoredWeights(Functions):
    """Stored values of variables: samples of a Markov chain, ensemble members, averaged weights.

    Args:
      variables: of the model, those that differ between the functions.
      values: of each variable, `[S, …]`.

    Raises:
      ValueError: where values do not fit their variables.
    """

    def __init__(self, variables: Sequence[keras.Variable], values: Sequence[Any]) -> None:
        self.variables = list(variables)
        self.arguments = [tf.convert_to_tensor(value) for value in values]
        if not self.variables or len(self.variables) != len(self.arguments):
            raise ValueError(
                "variables and values must be as many, at least one, got "
                f"{len(self.variables)} variables and {len(self.arguments)} values; give the "
                "values [S, …] of each variable."
            )
        self.num_samples = self.arguments[0].shape[0] if self.arguments[0].shape.rank else 0
        for variable, value in zip(self.variables, self.arguments, strict=True):
            if tuple(value.shape) != (self.num_samples, *variable.shape) or not self.num_samples:
                raise ValueError(
                    f"the values of {variable.path} must have shape [S, …] with the variable's own "
                    f"shape {tuple(variable.shape)} behind the number of samples, got "
                    f"{tuple(value.shape)}; stack the stored values along a new first axis."
                )

    def at(self, sample: tf.Tensor, arguments: Any) -> AbstractContextManager:
        """The model's variables read as the stored ones."""
        values = [tf.gather(value, sample) for value in arguments]
        return substituted(zip(self.variables, values, strict=True))

    @property
    def key(self) -> Hashable:
        """The variables."""
        return (StoredWeights, *(id(v) for v in self.variables))


def as_seed(seed: Any) -> tf.Tensor:
    """The seed as a tensor, uint64 where it was an int: else each one would be traced anew."""
    return seed if tf.is_tensor(seed) else tf.constant(operator.index(seed) % 2**64, tf.uint64)


def check_num_samples(value: Any, name: str = "num_samples") -> int:
    """The value as an int; ValueError unless it is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(
            f"{name} must be an integer of at least 1, got {value!r}; a posterior "
            "prediction needs samples, 32 is a good start."
        )
    return int(value)
